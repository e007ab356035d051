"""Findings about the data behind figures: how many enterprises have each, and which, on any day and as known at any day."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.metrics.explaining import findings
from services.metrics.figures import questions
from services.metrics.figures.findings import Finding
from services.metrics.figures.scope import Scope
from services.metrics.folding.facts import FactSet
from services.metrics.folding.projector import Projector
from shared.contracts import Envelope
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined, UnionKind
from shared.contracts.registry import HeadcountReported
from tests import oracle
from tests.histories import history, interleaved, refused
from tests.integration.metrics.http.test_coverage import city, client_of_a_test, settle  # noqa: F401
from tests.integration.metrics.service import CLOCK, Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

AS_OF = date(2024, 6, 1)
WITHOUT_NOTES = (
    "INSERT INTO g1.states (shard, subject, state) VALUES (0, $1, $2) ON CONFLICT (shard, subject) DO UPDATE SET state = excluded.state"
)
"""How the release before this one writes a set of facts."""


def join(metrics: Metrics, enterprise: UUID, count: int, on: str) -> None:
    for _ in range(count):
        said = MemberJoined(membership_id=uuid7(), enterprise_id=enterprise, union_id=uuid7())
        metrics.append(f"enterprise/{enterprise}", said, on)


def expected(events: list[Envelope], as_of: date, known_at: date) -> dict[str, set[Finding]]:
    """{subject: its findings} by the letter of DOMAIN.md."""
    found: dict[str, set[Finding]] = {}
    for subject, own in oracle.by_subject(events).items():
        facts = oracle.facts_known(own, known_at)
        told = oracle.contribution(facts, as_of)
        if told is None or not told[1]["units"]:
            continue
        measures, settled = (
            told[1],
            max((on, rank) for (_, rank), (kind, on, _) in facts.items() if kind == "enterprise-registered" and on <= as_of)[0],
        )
        holds = {
            Finding.MEMBERS_OVER_WORKERS: measures["units_headcount_known"] and measures["members"] > measures["workers"],
            Finding.HEADCOUNT_UNKNOWN: not measures["units_headcount_known"],
            Finding.HEADCOUNT_STALE: measures["units_headcount_stale"],
            Finding.BEFORE_SETTLED: any(
                kind in ("headcount-reported", "coverage-started") and on < settled for kind, on, _ in facts.values()
            ),
        }
        found[subject] = {finding for finding, true in holds.items() if true}
    return found


async def told(metrics: Metrics, as_of: date, known_at: date) -> dict[str, set[Finding]]:
    """The same as the lists tell it; the counts of the answer are those of the lists."""
    found: dict[str, set[Finding]] = {}
    async with metrics.snapshot() as snapshot:
        answer = await questions.coverage(snapshot, as_of=as_of, known_at=known_at)
        counts = {one.finding: one.count for one in (await findings.of_answer(snapshot, answer))["all"]}
        for finding in Finding:
            listed = await findings.enterprises(snapshot, finding, Scope.of(snapshot.areas.at(as_of, known_at), None), as_of, known_at)
            assert counts.get(finding, 0) == len(listed), finding
            for one in listed:
                found.setdefault(one.subject, set()).add(finding)
    return found


async def test_five_members_of_two_workers_are_a_finding_of_the_answer_and_lead_to_the_enterprise(metrics: Metrics, client: Any) -> None:
    city(metrics)
    settle(metrics, "D1-P002", 30, 10, UnionKind.ENTERPRISE_UNION)
    odd = settle(metrics, "D1-P001", 2, 5, UnionKind.ENTERPRISE_UNION, name="小厂")
    await metrics.fold()
    body = await client.ok("coverage", area="C", by="park", as_of=AS_OF)
    rows = {row["area"]: row for row in body["rows"]}
    assert rows["D1-P001"]["worker_joining_rate_all"]["rate"] == 2.5, "never cut"
    over = {"code": "MEMBERS_OVER_WORKERS", "count": 1}
    assert {code: row["findings"] for code, row in rows.items()} == {"D1-P001": [over], "D1-P002": [], "all": [over]}
    (finding,) = body["findings"]
    assert (finding["count"], finding["members"], finding["workers"]) == (1, 5, 2)
    assert "1 家单位会员多于职工（会员 5 人，职工 2 人）" in finding["text"]
    listed = (await client.http.get(finding["list"])).json()
    assert [(item["id"], item["name"], item["members"], item["workers"]) for item in listed["items"]] == [(str(odd), "小厂", 5, 2)]
    assert (listed["count"], listed["next"], listed["as_of"], listed["what_to_do"][:3]) == (1, None, str(AS_OF), "请核对")
    english = await client.http.get("/v1/coverage", params={"as_of": str(AS_OF)}, headers={"Accept-Language": "en"})
    assert "Units with more members than workers: 1 (5 members, 2 workers)" in english.json()["findings"][0]["text"]
    # As known before, and on the days before: not yet, without a word.
    assert (await client.ok("coverage", as_of="2024-02-15"))["findings"] == []
    assert (await client.ok("coverage", as_of=AS_OF, known_at="2024-06-02"))["findings"] == []


async def test_a_list_goes_from_page_to_page_with_the_most_first_and_refuses_what_is_none(metrics: Metrics, client: Any) -> None:
    city(metrics)
    for members in (5, 9, 7, 9):
        settle(metrics, "D1-P001", 2, members, UnionKind.ENTERPRISE_UNION)
    await metrics.fold()
    items = await client.pages("coverage/findings/MEMBERS_OVER_WORKERS", as_of=AS_OF, limit=1)
    assert [item["members"] for item in items] == [9, 9, 7, 5]
    assert len({item["id"] for item in items}) == 4
    status, problem = await client.get("coverage/findings/NO_SUCH", as_of=AS_OF)
    assert (status, problem["errors"][0]["field"]) == (422, "code")
    park = await client.ok("coverage/findings/MEMBERS_OVER_WORKERS", area="C", by="park", group="D1-P002", as_of=AS_OF)
    assert (park["count"], park["items"]) == (0, [])


@pytest.mark.parametrize("seed", range(4))
async def test_on_any_day_and_as_known_at_any_day_the_findings_are_those_of_the_definition(metrics: Metrics, seed: int) -> None:
    """Also after days were closed, and of sets that the release before wrote."""
    random_ = random.Random(seed)
    events = oracle.counted(interleaved(history(seed, enterprises=10, length=24, mistakes=True), seed), refused)
    known = sorted({oracle.known_day(event) for event in events})
    asked = [(date(2023, 1, 1) + timedelta(days=random_.randint(0, 700)), random_.choice(known)) for _ in range(12)]
    asked += [(date(2024, 9, 1), known[-1]), (date(2024, 9, 1), known[len(known) // 2])]
    seen = Counter[Finding]()
    for start in range(0, len(events), 7):
        await metrics.fold_batch(0, events[start : start + 7])
    for written in ("by this release", "after days were closed", "by the release before", "and noted again"):
        if written == "after days were closed":
            await metrics.close(known[len(known) * 2 // 3])
            await _written_anew(metrics, compacted=known[len(known) * 2 // 3])
        elif written == "by the release before":
            for row in await metrics.pool.fetch("SELECT subject, state FROM g1.states"):
                await metrics.pool.execute(WITHOUT_NOTES, row["subject"], row["state"])
        elif written == "and noted again":
            await metrics.close(known[len(known) * 2 // 3], projector=Projector(metrics.pool, CLOCK))
            assert not await metrics.pool.fetchval("SELECT count(*) FROM g1.states WHERE findings IS NULL OR noted_by <> xmin")
        for as_of, known_at in asked:
            wanted = {subject: found for subject, found in expected(events, as_of, known_at).items() if found}
            assert await told(metrics, as_of, known_at) == wanted, (written, as_of, known_at)
            seen.update(finding for found in wanted.values() for finding in found)
    assert len(seen) >= 3, "the histories have hardly a finding"


async def _written_anew(metrics: Metrics, compacted: date) -> None:
    """Every set as the projector writes it once a day is closed: without its past, and with what was noted before."""
    for row in await metrics.pool.fetch("SELECT subject, state FROM g1.states"):
        facts = FactSet.load(row["state"])
        facts.compact(compacted.toordinal())
        await metrics.pool.execute(
            "UPDATE g1.states SET state = $2, noted_by = pg_current_xact_id()::xid WHERE subject = $1", row["subject"], facts.dump()
        )


async def test_what_was_corrected_long_ago_is_still_a_finding_as_known_before(metrics: Metrics) -> None:
    city(metrics)
    made = settle(metrics, "D1-P001", None, 0, UnionKind.ENTERPRISE_UNION)
    wrong = metrics.append(f"enterprise/{made}", HeadcountReported(workers=2), "2024-01-10")
    join(metrics, made, 5, "2024-03-01")
    await metrics.fold()
    before = metrics.today
    metrics.next_day()
    metrics.correct(wrong, "2024-01-10", workers=200)
    await metrics.fold()
    after, subject = metrics.today, f"enterprise/{made}"
    assert (await told(metrics, AS_OF, before))[subject] == {Finding.MEMBERS_OVER_WORKERS}
    assert await told(metrics, AS_OF, after) == {}
