"""What a withdrawal took back, as the questions and the pages tell it: the withdrawal is the event behind its rows."""

from __future__ import annotations

from datetime import date
from typing import Any

from services.metrics.dashboard.panels import enterprises, recent
from services.metrics.dashboard.words import Language, Words
from services.metrics.explaining import explain
from services.metrics.explaining.changes import Window, shares, totals
from services.metrics.explaining.contributors import Question
from services.metrics.measures import MEASURES, unpacked
from shared.contracts import Envelope, membership
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined
from shared.contracts.registry import AreaKind, AreaRegistered, HeadcountReported
from shared.contracts.streams import EventWithdrawn
from tests.integration.metrics.http.test_coverage import city, client_of_a_test, settle  # noqa: F401
from tests.integration.metrics.service import CLOCK, Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

AS_OF = date(2024, 6, 1)


def withdrawn(metrics: Metrics, event: Envelope, last: int | None = None) -> Envelope:
    said = EventWithdrawn(first=event.sequence, last=last or event.sequence, reason="never_was")
    return metrics.append(event.subject, said, "2024-06-05", corrects=event)


def counts(figures: int) -> dict[str, int]:
    return dict(zip(MEASURES, unpacked(figures), strict=True))


async def figures(metrics: Metrics, known_at: date) -> dict[str, int]:
    async with metrics.snapshot() as snapshot:
        return counts((await totals(snapshot, Window(None, AS_OF, known_at, known_at)))[1])


async def test_a_figure_and_its_change_lead_to_the_withdrawal(metrics: Metrics, client: Any) -> None:
    city(metrics)
    made = settle(metrics, "D1-P001", 30, 2)
    subject = f"enterprise/{made}"
    wrong = metrics.append(subject, HeadcountReported(workers=300), "2024-05-01")
    await metrics.fold()
    before, after = metrics.today, metrics.next_day(1)
    assert (await figures(metrics, before))["workers"] == 300
    told = withdrawn(metrics, wrong)
    await metrics.fold()
    assert (await figures(metrics, after))["workers"] == 30
    assert (await figures(metrics, before))["workers"] == 300, "as it was known then"
    body = await client.ok("coverage/explain", measure="workers", enterprise=made, as_of=AS_OF, known_at=after)
    assert [(event["type"].split(".")[1], event["in_force"]) for event in body["events"]] == [
        ("enterprise-registered", True),
        ("headcount-reported", True),
        ("headcount-reported", False),
        ("event-withdrawn", False),
    ]
    assert body["events"][-1]["id"] == str(told.id)
    early = await client.ok("coverage/explain", measure="workers", enterprise=made, as_of=AS_OF, known_at=before)
    assert [event["in_force"] for event in early["events"]] == [True, True, True]
    body = await client.ok("coverage/changes", as_of=AS_OF, known_from=before, known_to=after)
    assert [(item["kind"], item["event"]["id"], item["measures"]["workers"]["delta"]) for item in body["items"]] == [
        ("correction", str(told.id), -270)
    ]
    async with metrics.snapshot() as snapshot:
        tree = snapshot.areas.at(AS_OF, after)
        languages: tuple[tuple[Language, str], ...] = (("zh", "用工人数"), ("en", "Headcount"))
        for language, amount in languages:
            (newest, *_) = await recent.just_happened(snapshot, tree, None, Words(language, CLOCK.zone))
            assert (newest.kind, newest.enterprise, newest.amount) == ("event-withdrawn", str(made), amount)


async def test_members_of_several_lines_are_taken_back_and_the_timeline_says_how_many(metrics: Metrics) -> None:
    city(metrics)
    made = settle(metrics, "D1-P001", 30)
    subject = f"enterprise/{made}"
    joined = [
        metrics.append(subject, MemberJoined(membership_id=uuid7(), enterprise_id=made, union_id=uuid7()), f"2024-03-0{n}")
        for n in (1, 2, 3)
    ]
    await metrics.fold(2)
    before, after = metrics.today, metrics.next_day(1)
    withdrawn(metrics, joined[0], joined[1].sequence)
    await metrics.fold()
    await metrics.close(before)
    assert [(await figures(metrics, day))["members"] for day in (before, after)] == [3, 1]
    async with metrics.snapshot() as snapshot:
        lines, _ = await enterprises.timeline(snapshot, made, AS_OF, after)
        question = Question("members", None, None, None, AS_OF, after)
        told, _ = await explain.events(snapshot, question, subject, explain.FIRST, 100)
        found, _ = await shares(snapshot, Window(None, AS_OF, before, after), ("", 0), 100)
    assert [(line.kind, line.count, line.correction, line.in_force) for line in lines if line.kind == "member-joined"] == [
        ("member-joined", 2, True, False),
        ("member-joined", 1, False, True),
        ("member-joined", 1, False, False),
        ("member-joined", 1, False, False),
    ]
    assert [one.in_force for one in told if one.row["source"] == membership.SOURCE] == [False, False, True, False]
    assert [(one.kind, counts(one.before)["members"], counts(one.after)["members"]) for one in found] == [("correction", 3, 1)]


async def test_a_version_of_an_area_that_is_withdrawn_is_told_no_longer_from_the_withdrawals_day_on(metrics: Metrics) -> None:
    city(metrics)
    extra = metrics.append("area/X", AreaRegistered(code="X", name="误", kind=AreaKind.DIVISION, parent="C", level=False), "1900-01-01")
    await metrics.fold()
    before, after = metrics.today, metrics.next_day(1)
    withdrawn(metrics, extra)
    await metrics.fold()
    async with metrics.snapshot() as snapshot:
        assert [("X" in snapshot.areas.at(AS_OF, day).areas) for day in (before, after)] == [True, False]
