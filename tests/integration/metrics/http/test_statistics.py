"""Statistics of cases, agreements and aid over HTTP: the numbers of a plain oracle, as of two days, with the events behind each."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.metrics.figures.statistics.answers import window
from services.metrics.figures.statistics.catalogue import STATISTICS, StatisticName
from shared.contracts import Envelope
from shared.contracts.cases.agreements import CongressHeld, ContractEffective, ContractTerminated, NegotiationProgressed, NegotiationStep
from shared.contracts.cases.aid import AidPaid, EmploymentHelped, HardshipClassified
from shared.contracts.cases.assessments import Assessed, AssessmentMade
from shared.contracts.cases.rights import CaseClosed, CaseOpened, CaseProgressed, CaseReopened, Letter, Step
from shared.contracts.cases.rules import ClockOverdue
from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageStarted, UnionFounded, UnionKind
from shared.contracts.registry import EnterpriseClosed, EnterpriseMoved, EnterpriseRegistered, HeadcountReported
from tests import oracle, oracle_cases
from tests.conftest import NewDatabase
from tests.histories import history, interleaved
from tests.histories_of_cases import with_cases
from tests.integration.metrics.server import MetricsServer, server_of
from tests.integration.metrics.service import Metrics, enterprise

AS_OF = "2024-06-01"


@pytest.fixture
async def server(database: NewDatabase) -> AsyncIterator[MetricsServer]:
    async with server_of(await database("metrics")) as found:
        yield found


async def ask(server: MetricsServer, name: str, status: int = 200, areas: tuple[str, ...] = (), **params: Any) -> Any:
    async with server.client(*areas) as client:
        answer = await client.get(f"/v1/statistics/{name}", params=params)
    assert answer.status_code == status, answer.text
    return answer.json()


async def number(server: MetricsServer, name: str, **params: Any) -> Any:
    return (await ask(server, name, **{"as_of": AS_OF, **params}))["n"]


async def fold(metrics: Metrics) -> None:
    """Fold what waits, and keep what the reader keeps of streams: explanations find by it who has matters."""
    await metrics.fold()
    last = {(event.source, event.subject): event for event in metrics.events}
    for (source, subject), event in last.items():
        await metrics.pool.execute(
            "INSERT INTO seen (generation, shard, source, subject, sequence, event_id, time) VALUES (1, 0, $1, $2, $3, $4, $5) "
            "ON CONFLICT (generation, shard, source, subject) DO UPDATE SET sequence = excluded.sequence",
            *(source, subject, event.sequence, event.id, event.time),
        )


def city(metrics: Metrics) -> None:
    metrics.area("C", None, "示例市")
    metrics.area("D1", "C", "东区")
    metrics.area("D2", "C", "西区")
    for park in ("D1-P001", "D1-P002", "D2-P001"):
        metrics.area(park, park[:2], park)


def settle(metrics: Metrics, park: str, workers: int = 100, *, covered: bool = False) -> tuple[UUID, str]:
    made, subject = enterprise()
    metrics.append(
        subject, EnterpriseRegistered(enterprise_id=made, name="某厂", park=park, district=park[:2], industry="C13"), "2024-01-01"
    )
    metrics.append(subject, HeadcountReported(workers=workers, size="small"), "2024-01-01")
    if covered:
        union = uuid7()
        metrics.append(f"union/{union}", UnionFounded(union_id=union, kind=UnionKind.ENTERPRISE_UNION, seat_area=park), "2024-01-01")
        metrics.append(subject, CoverageStarted(enterprise_id=made, union_id=union, kind=UnionKind.ENTERPRISE_UNION), "2024-01-01")
    return made, subject


def open_case(metrics: Metrics, who: tuple[UUID, str], on: str, kind: str = "wage_arrears", **fields: Any) -> tuple[UUID, Envelope]:
    case = uuid7()
    opened = CaseOpened(case_id=case, enterprise_id=who[0], kind=kind, reported_on=date.fromisoformat(on), **fields)
    return case, metrics.append(who[1], opened, on)


def overdue(metrics: Metrics, who: tuple[UUID, str], case: UUID, due_on: str, clock: str = "mediation") -> None:
    due = date.fromisoformat(due_on)
    fact = ClockOverdue(noun="case", id=case, enterprise_id=who[0], clock=clock, due_on=due)
    metrics.append(who[1], fact, date.fromordinal(due.toordinal() + 1).isoformat())


async def test_cases_as_of_a_day_by_place_and_kind(server: MetricsServer) -> None:
    metrics = server.metrics
    city(metrics)
    one, two = settle(metrics, "D1-P001", 100, covered=True), settle(metrics, "D2-P001", 300)
    first, opened = open_case(metrics, one, "2024-02-01", collective=True)
    open_case(metrics, one, "2024-03-01", "labour_dispute", collective_proxy=True)
    third, _ = open_case(metrics, two, "2024-04-01")
    overdue(metrics, one, first, "2024-02-20")
    overdue(metrics, one, first, "2024-03-20")
    metrics.append(one[1], CaseClosed(case_id=first, enterprise_id=one[0], outcome="paid"), "2024-04-10")
    metrics.append(two[1], CaseClosed(case_id=third, enterprise_id=two[0], outcome="paid"), "2024-04-21")
    metrics.append(two[1], CaseReopened(case_id=third, enterprise_id=two[0]), "2024-05-20")
    await fold(metrics)

    body = await ask(server, "cases_open", as_of=AS_OF, by="park")
    assert (body["n"], body["count"], body["collective"], body["proxy"], body["since"], body["basis"]) == (2, 2, 0, 1, None, "OPEN_CASES")
    assert body["rule_version"] == "statistics-2026.1"
    assert body["completeness"] == {"numerator": 2, "denominator": 2, "rate": 1.0, "reason": None}
    assert [(row["code"], row["n"]) for row in body["rows"]] == [("D1-P001", 1), ("D2-P001", 1), ("all", 2)]
    days = {"2024-01-31": 0, "2024-02-01": 1, "2024-03-15": 2, "2024-04-09": 3, "2024-04-10": 2, "2024-04-21": 1, "2024-05-20": 2}
    assert {day: await number(server, "cases_open", as_of=day) for day in days} == days
    assert [await number(server, "cases_overdue", as_of=day) for day in ("2024-02-20", "2024-02-21", "2024-04-09", "2024-04-10")] == [
        0,
        1,
        1,
        0,
    ]
    by_kind = (await ask(server, "cases_opened", as_of=AS_OF, by="kind"))["rows"]
    assert [(row["code"], row["name"], row["n"]) for row in by_kind] == [
        ("labour_dispute", "labour dispute", 1), ("wage_arrears", "wage arrears", 2), ("all", "All", 3)
    ]  # fmt: skip
    assert (await ask(server, "cases_opened", as_of=AS_OF))["since"] == "2023-06-02"
    assert await number(server, "cases_opened", since="2024-02-02") == 2
    assert await number(server, "cases_opened", as_of="2025-02-01") == 2
    collective = await ask(server, "collective_cases", as_of=AS_OF)
    assert [collective[name] for name in ("n", "proxy", "open", "open_proxy")] == [1, 1, 0, 1]
    per = await ask(server, "cases_per_1000_workers", as_of=AS_OF, by="district")
    assert [(row["code"], row["n"], row["d"], row["rate"], row["per"]) for row in per["rows"]] == [
        ("D1", 2, 100, 20.0, 1000), ("D2", 1, 300, pytest.approx(10 / 3), 1000), ("all", 3, 400, 7.5, 1000)
    ]  # fmt: skip
    sides = await ask(server, "cases_by_coverage", as_of=AS_OF)
    assert sides["covered"] == {"n": 2, "d": 100, "rate": 20.0, "reason": None}
    assert sides["uncovered"] == {"n": 1, "d": 300, "rate": pytest.approx(10 / 3), "reason": None}
    assert "never a cause" in sides["text"]
    waited = await ask(server, "days_to_close", as_of="2024-04-30")
    assert [waited[name] for name in ("n", "d", "closed", "open", "median", "reason")] == [2, 3, 2, 1, 69, None]

    known = metrics.today
    metrics.next_day()
    metrics.correct(opened, "2024-02-01", kind="pay_cut", collective=False)
    await metrics.fold()
    assert [(await ask(server, "collective_cases", as_of=AS_OF, known_at=day))["n"] for day in (known, metrics.today)] == [1, 0]
    kinds = [(await ask(server, "cases_opened", as_of=AS_OF, by="kind", known_at=day))["rows"] for day in (known, metrics.today)]
    assert [[row["code"] for row in rows] for rows in kinds] == [
        ["labour_dispute", "wage_arrears", "all"],
        ["labour_dispute", "pay_cut", "wage_arrears", "all"],
    ]


async def test_a_case_stays_open_where_its_enterprise_was_last_and_goes_with_it_when_it_moves(server: MetricsServer) -> None:
    metrics = server.metrics
    city(metrics)
    who = settle(metrics, "D1-P001")
    open_case(metrics, who, "2024-02-01")
    metrics.append(who[1], EnterpriseMoved(park="D2-P001", district="D2"), "2024-03-01")
    metrics.append(who[1], EnterpriseClosed(reason="moved_away"), "2024-04-01")
    await metrics.fold()
    for day, park in (("2024-02-10", "D1-P001"), ("2024-03-01", "D2-P001"), ("2024-05-01", "D2-P001")):
        assert [await number(server, "cases_open", as_of=day, area=one) for one in ("D1-P001", "D2-P001")] == [
            park == "D1-P001",
            park == "D2-P001",
        ]
    assert [await number(server, "cases_opened", area=one) for one in ("D1-P001", "D2-P001")] == [1, 0]


async def test_agreements_count_units_and_workers(server: MetricsServer) -> None:
    metrics = server.metrics
    city(metrics)
    one, two, three = settle(metrics, "D1-P001", 100), settle(metrics, "D1-P001", 300), settle(metrics, "D1-P002", 600)
    contract, wage = uuid7(), uuid7()
    said: dict[str, Any] = {"contract_id": contract, "kind": "collective"}
    metrics.append(one[1], ContractEffective(**said, enterprise_id=one[0], until=date(2024, 12, 31)), "2024-02-01")
    metrics.append(two[1], ContractEffective(contract_id=wage, kind="wage", enterprise_id=two[0], until=date(2024, 5, 31)), "2024-03-01")
    metrics.append(one[1], ContractTerminated(**said, enterprise_id=one[0]), "2024-07-01")
    metrics.append(
        three[1],
        NegotiationProgressed(negotiation_id=uuid7(), enterprise_id=three[0], kind="wage", step=NegotiationStep.RESULT, result="agreed"), "2024-05-02",
    )  # fmt: skip
    metrics.append(three[1], CongressHeld(congress_id=uuid7(), enterprise_id=three[0]), "2024-05-02")
    metrics.append(
        two[1],
        AssessmentMade(assessment_id=uuid7(), assessed=Assessed.ENTERPRISE, enterprise_id=two[0], level="city", grade="a", valid_until=date(2024, 6, 1)),
        "2024-01-10",
    )  # fmt: skip
    await fold(metrics)
    covered = await ask(server, "contract_coverage", as_of="2024-05-31")
    assert (covered["n"], covered["d"]) == (2, 3)
    assert covered["workers"] == {"n": 400, "d": 1000, "rate": 0.4, "reason": None}
    assert [(await ask(server, "contract_coverage", as_of=day))["units"]["n"] for day in ("2024-06-01", "2024-06-30", "2024-07-01")] == [
        1,
        1,
        0,
    ]
    kinds = (await ask(server, "contract_coverage", as_of="2024-05-31", by="kind"))["rows"]
    assert [(row["code"], row["n"], row["d"], row["workers"]["n"]) for row in kinds] == [
        ("collective", 1, 3, 100),
        ("wage", 1, 3, 300),
        ("all", 2, 3, 400),
    ]
    assert [
        await number(server, "wage_negotiation_coverage", as_of=day) for day in ("2024-05-01", "2024-05-31", "2024-06-01", "2025-05-02")
    ] == [1, 2, 1, 0]
    assert [await number(server, "congress_rate", as_of=day) for day in ("2024-05-01", "2024-05-02", "2025-05-01", "2025-05-02")] == [
        0,
        1,
        1,
        0,
    ]
    assert [await number(server, "harmonious_enterprises", as_of=day) for day in ("2024-06-01", "2024-06-02")] == [1, 0]
    found = await ask(server, "contract_coverage/explain", as_of="2024-05-31", by="kind", group="wage")
    assert [(one["id"], one["counts"]) for one in found["items"]] == [(str(wage), {"contract": 1, "contract_workers": 300})]


async def test_mediations_and_letters(server: MetricsServer) -> None:
    metrics = server.metrics
    city(metrics)
    who = settle(metrics, "D1-P001")

    def step(case: UUID, of: Step, on: str, **fields: Any) -> Envelope:
        return metrics.append(who[1], CaseProgressed(case_id=case, enterprise_id=who[0], step=of, **fields), on)

    cases = [open_case(metrics, who, "2024-02-01", kind)[0] for kind in ("wage_arrears", "wage_arrears", "labour_dispute")]
    step(cases[0], Step.MEDIATION_SETTLED, "2024-03-01")
    step(cases[1], Step.MEDIATION_FAILED, "2024-03-01")
    step(cases[2], Step.MEDIATION_SETTLED, "2024-03-02")
    for case in cases:
        step(case, Step.SUPERVISION_LETTER_SENT, "2024-03-10", document=Letter.OPINION, reply_by=date(2024, 3, 20))
    step(cases[0], Step.REPLIED, "2024-03-20")
    overdue(metrics, who, cases[1], "2024-03-20", "supervision_reply")
    await metrics.fold()
    settled = await ask(server, "mediation_settlement", as_of=AS_OF, by="kind")
    assert [(row["code"], row["n"], row["d"]) for row in settled["rows"]] == [
        ("labour_dispute", 1, 1),
        ("wage_arrears", 1, 2),
        ("all", 2, 3),
    ]
    letters = await ask(server, "letters_answered_in_time", as_of=AS_OF, by="kind")
    assert [(row["code"], row["name"], row["n"], row["d"]) for row in letters["rows"]] == [
        ("opinion", "letter of opinion", 1, 2),
        ("all", "All", 1, 2),
    ]


async def test_the_events_behind_a_number(server: MetricsServer) -> None:
    metrics = server.metrics
    city(metrics)
    one, two = settle(metrics, "D1-P001"), settle(metrics, "D1-P002")
    expected: dict[str, set[str]] = {}
    for who in (one, two):
        for n in range(4):
            case, opened = open_case(metrics, who, f"2024-02-0{n + 1}")
            if n == 3:
                metrics.append(who[1], CaseClosed(case_id=case, enterprise_id=who[0], outcome="paid"), "2024-03-01")
            else:
                expected[str(case)] = {str(opened.id)}
            if n == 0:
                expected[str(case)] |= {str(metrics.correct(opened, "2024-02-01", kind="pay_cut").id)}
    await fold(metrics)
    answer = await ask(server, "cases_open", as_of=AS_OF)
    async with server.client() as client:
        items, path = [], f"{answer['explain']}&limit=2"
        for _ in range(9):
            body = (await client.get(path)).json()
            items += body["items"]
            if body["next"] is None:
                break
            path = f"{answer['explain']}&after={body['next']}&limit=2"
    assert {one["id"]: {event["id"] for event in one["events"]} for one in items} == expected
    assert [one["counts"] for one in items] == [{"case_open": 1}] * 6
    assert answer["n"] == 6
    in_force = [[event["in_force"] for event in one["events"]] for one in items]
    assert Counter(map(tuple, in_force)) == {(True,): 4, (False, True): 2}
    park = await ask(server, "cases_open/explain", areas=("D1-P002",), area="D1-P002", as_of=AS_OF)
    assert {item["enterprise_id"] for item in park["items"]} == {str(two[0])}
    cut = await ask(server, "cases_open/explain", as_of=AS_OF, by="kind", group="pay_cut")
    assert len(cut["items"]) == 2


@pytest.mark.invariant("I7")
async def test_statistics_are_told_to_those_who_may_ask(server: MetricsServer) -> None:
    city(server.metrics)
    await server.metrics.fold()
    for name in StatisticName:
        assert (await ask(server, name, 403, areas=("D1-P001",)))["code"] == "AREA_NOT_GRANTED"
        assert (await ask(server, name, 403, areas=("D1-P001",), area="D1"))["code"] == "AREA_NOT_GRANTED"
        assert (await ask(server, name, areas=("D1-P001",), area="D1-P001"))["provisional"]
        for by in ("district", "park", "industry", "size", "kind"):
            allowed = by in STATISTICS[name].by
            body = await ask(server, name, 200 if allowed else 422, by=by)
            assert allowed or (body["code"], body["errors"][0]["field"]) == ("NOT_ONE_OF", "by")
    assert (await ask(server, "cases_open/explain", 403, areas=("D1",)))["code"] == "AREA_NOT_GRANTED"
    assert (await ask(server, "no_such", 422))["code"] == "NOT_ONE_OF"
    assert (await ask(server, "aid_by_kind/explain", 404))["code"] == "NOT_FOUND"
    assert (await ask(server, "cases_opened", 422, since="2024-07-01", as_of=AS_OF))["code"] == "DATE_OUT_OF_RANGE"
    assert (await ask(server, "cases_opened", 422, known_at="2999-01-01"))["code"] == "KNOWN_IN_FUTURE"


PLAIN = {
    "cases_open": ("case_open",),
    "collective_cases": ("case_opened_collective",),
    "cases_opened": ("case_opened",),
    "cases_overdue": ("case_overdue",),
    "mediation_settlement": ("mediation_settled",),
    "letters_answered_in_time": ("letter_in_time",),
    "wage_negotiation_coverage": ("wage_negotiation",),
    "congress_rate": ("congress",),
    "harmonious_enterprises": ("harmonious",),
    "days_to_close": ("case_closed",),
}


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("seed", [1, 2])
async def test_the_answers_are_those_of_the_oracle(server: MetricsServer, seed: int) -> None:
    metrics = server.metrics
    events = interleaved(with_cases(history(seed, enterprises=8, length=16), seed), seed)
    await metrics.fold_batch(0, events[: len(events) // 2])
    await metrics.fold_batch(0, events[len(events) // 2 :])
    known = sorted({oracle.known_day(event) for event in events})
    for t in (date(2024, 3, 1), date(2025, 1, 15)):
        for k in (known[len(known) // 2], known[-1]):
            now, before = (oracle_cases.tallies(events, day, k) for day in (t, date.fromordinal(window(t).toordinal() - 1)))
            for name, tallied in PLAIN.items():
                statistic = STATISTICS[StatisticName(name)]
                expected: Counter[str] = Counter()
                for (cell, one, _, _), count in now.items():
                    if one in tallied:
                        expected[cell[0] or "unknown"] += count
                for (cell, one, _, _), count in before.items():
                    if one in tallied and statistic.windowed:
                        expected[cell[0] or "unknown"] -= count
                body = await ask(server, name, by="park", as_of=t, known_at=k)
                assert {row["code"]: row["n"] for row in body["rows"][:-1] if row["n"]} == {p: n for p, n in expected.items() if n}, (
                    name,
                    t,
                    k,
                )
                assert body["n"] == sum(expected.values())


def in_hardship(metrics: Metrics, area: str, number: int, classification: str = "deep", fen: int = 0) -> None:
    for _ in range(number):
        file = uuid7()
        subject = f"hardship/{file}"
        metrics.append(subject, HardshipClassified(hardship_id=file, area=area, classification=classification), "2024-02-01")
        if fen:
            metrics.append(subject, AidPaid(hardship_id=file, area=area, amount_fen=fen, fund="own"), "2024-03-01")


def counts_of(body: Any, section: str = "hardship") -> dict[str, int | None]:
    return {row["code"]: row["count"] for row in body["rows"] if row["section"] == section}


async def test_aid_is_counted_and_small_numbers_are_withheld(server: MetricsServer) -> None:
    metrics = server.metrics
    city(metrics)
    in_hardship(metrics, "D1-P001", 12, fen=50_000)
    in_hardship(metrics, "D1-P002", 2)
    in_hardship(metrics, "D2-P001", 20, "relative")
    for _ in range(6):
        help_ = uuid7()
        metrics.append(f"help/{help_}", EmploymentHelped(help_id=help_, kind="training", area="D1-P001"), "2024-04-01")
    await metrics.fold()
    whole = await ask(server, "aid_by_kind", as_of=AS_OF)
    assert (whole["n"], whole["explain"], whole["completeness"]) == (None, None, None)
    assert counts_of(whole) == {"deep": 14, "relative": 20, "accidental": 0, "all": 34}
    assert [(row["count"], row["amount_fen"]) for row in whole["rows"] if (row["section"], row["code"]) == ("payments", "own")] == [
        (12, 600_000)
    ]
    assert counts_of(whole, "help")["training"] == 6
    assert counts_of(await ask(server, "aid_by_kind", area="D1-P002", as_of=AS_OF))["deep"] is None
    assert counts_of(await ask(server, "aid_by_kind", area="D1-P001", as_of=AS_OF))["deep"] is None, (
        "else the difference would tell of the other park"
    )
    assert counts_of(await ask(server, "aid_by_kind", area="D1", as_of=AS_OF))["deep"] == 14
    assert counts_of(await ask(server, "aid_by_kind", area="C", as_of="2024-01-31")) == {
        "deep": 0,
        "relative": 0,
        "accidental": 0,
        "all": 0,
    }
    assert (await ask(server, "aid_by_kind", as_of=AS_OF, since="2024-05-01"))["since"] == "2023-06-02"
