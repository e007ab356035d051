"""An earlier fact was wrong: it changes in its place, keeps its rank, and what holds afterwards must be possible."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from services.membership.facts import TABLE
from services.membership.world import World
from shared.contracts import Event, plain, type_of
from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageEnded, CoverageStarted, MemberJoined, MemberLeft, UnionDissolved, UnionFounded, UnionKind
from shared.contracts.streams import FactCorrected, Placed
from shared.journal.reasons import Reason
from shared.problems.errors import Problem
from shared.writing import corrections
from shared.writing.facts import Correct, Fact, History, Standing
from tests.unit.membership.worlds import ANN, TODAY, A, B, cover, day, dissolve, found, join, leave, settle_ids, take, world

OWN, JOINT = UnionKind.ENTERPRISE_UNION, UnionKind.JOINT_UNION


def correct(made: World, subject: str, rank: int, said: Event, on: str, data: dict[str, Any] | None) -> tuple[World, list[Fact]]:
    event = uuid7()
    trial = naming(made, event, Standing(subject, rank, type_of(said), day(on), said, event))
    facts = take(trial, corrections.correct(TABLE, trial, Correct(event, Reason("typo"), data), TODAY).facts)
    settle_ids(trial)
    return trial, facts


def naming(made: World, event: UUID, fact: Standing) -> World:
    """A copy of the world that knows the fact which the event states."""
    trial = made.fork()
    trial.histories = {fact.subject: History(fact.subject, fact.rank, {fact.rank: fact})}
    trial.events = {event: (fact.subject, fact.rank)}
    return trial


def started(union: UUID, kind: UnionKind = JOINT) -> CoverageStarted:
    return CoverageStarted(enterprise_id=A, union_id=union, kind=kind)


def refusal(made: World, *args: Any) -> tuple[str, int]:
    before = (dict(made.unions), {k: list(v) for k, v in made.coverage.items()}, dict(made.memberships))
    with pytest.raises(Problem) as refused:
        correct(made, *args)
    assert before == (made.unions, made.coverage, made.memberships)
    return refused.value.code, refused.value.status


def test_a_correction_carries_both_contents_and_keeps_the_rank() -> None:
    made = world()
    union = found(made, A, on="2021-01-01")
    trial, facts = correct(made, f"enterprise/{A}", 1, started(union), "2021-01-01", {"on": "2021-02-01"})
    data = facts[0].data
    assert isinstance(data, FactCorrected)
    assert (data.rank, data.withdrawn.occurred_on, facts[0].on) == (1, day("2021-01-01"), day("2021-02-01"))
    assert data.replacement == Placed(day("2021-02-01"), plain(started(union)))
    assert [(f.rank, f.on) for f in trial.coverage[A]] == [(1, day("2021-02-01"))]


def test_coverage_stays_in_order_after_the_founding_and_alone() -> None:
    made = world()
    union = found(made, A, on="2021-01-01")
    cover(made, union, A, "2022-01-01", started=False)
    place = (f"enterprise/{A}", 1, started(union), "2021-01-01")
    assert refusal(made, *place, {"on": "2020-12-31"}) == ("BEFORE_FOUNDING", 409)
    assert refusal(made, *place, {"on": "2022-02-01"}) == ("COVERAGE_ORDER", 409)
    assert refusal(made, *place, None) == ("COVERAGE_ORDER", 409)
    ended = CoverageEnded(enterprise_id=A, union_id=union, kind=JOINT, reason="ended")
    trial, _ = correct(made, f"enterprise/{A}", 2, ended, "2022-01-01", None)
    assert [f.started for f in trial.coverage[A]] == [True]


def test_an_own_union_does_not_come_to_overlap_another() -> None:
    made = world()
    first = found(made, A, kind=OWN, on="2021-01-01")
    cover(made, first, A, "2022-01-01", started=False)
    found(made, A, kind=OWN, on="2022-01-01")
    ended = CoverageEnded(enterprise_id=A, union_id=first, kind=OWN, reason="ended")
    assert refusal(made, f"enterprise/{A}", 2, ended, "2022-01-01", {"on": "2022-01-02"}) == ("ALREADY_COVERED", 409)
    assert refusal(made, f"enterprise/{A}", 2, ended, "2022-01-01", None) == ("ALREADY_COVERED", 409)


def test_a_member_s_dates_change_within_reason() -> None:
    made = world()
    union = found(made, A, B, on="2021-01-01")
    first = join(made, union, A, ANN, "2021-05-01")
    leave(made, first, "2022-01-01")
    join(made, union, B, ANN, "2022-01-01")
    joined = MemberJoined(membership_id=first, enterprise_id=A, union_id=union)
    left = MemberLeft(membership_id=first, enterprise_id=A, union_id=union, reason="resigned")
    subject = f"enterprise/{A}"
    trial, _ = correct(made, subject, 2, joined, "2021-05-01", {"joined_on": "2021-01-01"})
    assert trial.memberships[first].joined_on == day("2021-01-01")
    assert refusal(made, subject, 2, joined, "2021-05-01", {"joined_on": "2020-12-31"}) == ("NOT_COVERED", 422)
    assert refusal(made, subject, 2, joined, "2021-05-01", {"joined_on": "2022-01-02"}) == ("BEFORE_JOINING", 409)
    assert refusal(made, subject, 2, joined, "2021-05-01", None) == ("ALREADY_LEFT", 409)
    assert refusal(made, subject, 3, left, "2022-01-01", {"on": "2022-01-02"}) == ("ALREADY_MEMBER", 409)
    assert refusal(made, subject, 3, left, "2022-01-01", None) == ("ALREADY_MEMBER", 409)
    trial, _ = correct(made, subject, 3, left, "2022-01-01", {"on": "2021-12-01", "reason": "retired"})
    assert trial.memberships[first].left_on == day("2021-12-01")


def test_a_founding_may_change_its_date_name_and_seat() -> None:
    made = world()
    union = found(made, A, on="2021-01-01")
    said = UnionFounded(union_id=union, kind=JOINT, seat_area="P", name="旧")
    place = (f"union/{union}", 1, said, "2021-01-01")
    trial, _ = correct(made, *place, {"approved_on": "2020-06-01", "name": "新", "seat_area": "Q"})
    assert (trial.unions[union].founded_on, trial.unions[union].name, trial.unions[union].seat_area) == (day("2020-06-01"), "新", "Q")
    assert refusal(made, *place, {"approved_on": "2021-01-02"}) == ("BEFORE_FOUNDING", 409)
    assert refusal(made, *place, None) == ("STILL_COVERS", 409)
    assert refusal(made, *place, {"seat_area": "nowhere"}) == ("UNKNOWN_AREA", 422)
    assert refusal(made, *place, {"name": ""}) == ("EMPTY", 422)
    assert refusal(made, *place, {"kind": "park_union"}) == ("NOT_CORRECTABLE", 422)
    assert refusal(made, *place, {"approved_on": "2021-13-01"}) == ("INVALID_DATE", 422)
    assert refusal(made, *place, {"approved_on": "2999-01-01"}) == ("DATE_OUT_OF_RANGE", 422)


def test_coverage_goes_with_the_dissolution_that_ended_it() -> None:
    made = world()
    union = found(made, A, B)
    cover(made, union, B, "2021-06-01", started=False)
    dissolve(made, union, "2022-01-01")
    said = UnionDissolved(union_id=union, reason="merged")
    place = (f"union/{union}", 2, said, "2022-01-01")
    trial, facts = correct(made, *place, {"on": "2022-03-01"})
    assert [f.subject for f in facts] == [f"union/{union}", f"enterprise/{A}"]
    assert [f.on for f in trial.coverage[A]] == [day("2021-01-01"), day("2022-03-01")]
    assert trial.coverage[B] == made.coverage[B]
    trial, facts = correct(made, *place, None)
    assert trial.unions[union].dissolved is None
    assert [f.started for f in trial.coverage[A]] == [True]
    assert refusal(made, *place, {"on": "2021-05-01"})[0] == "BEFORE_COVERAGE"
    assert refusal(made, *place, {"reason": "last_unit_closed"}) == ("RESERVED_REASON", 422)


def test_the_end_of_coverage_is_not_withdrawn_from_a_union_that_has_ended() -> None:
    made = world()
    union = found(made, A, B)
    cover(made, union, A, "2021-06-01", started=False)
    dissolve(made, union, "2022-01-01")
    ended = CoverageEnded(enterprise_id=A, union_id=union, kind=JOINT, reason="ended")
    assert refusal(made, f"enterprise/{A}", 2, ended, "2021-06-01", None) == ("ALREADY_DISSOLVED", 409)


def test_a_fact_is_corrected_by_its_latest_event_and_not_after_it_was_withdrawn() -> None:
    made = world()
    union = found(made, A)
    target = Standing(f"enterprise/{A}", 1, type_of(started(union)), day("2021-01-01"), started(union), uuid7())
    earlier = uuid7()
    with pytest.raises(Problem) as refused:
        corrections.correct(TABLE, naming(made, earlier, target), Correct(earlier, Reason("typo"), None), TODAY)
    assert (refused.value.code, refused.value.errors[0].params) == ("ALREADY_CORRECTED", {"latest": str(target.event_id)})
    gone = Standing(target.subject, 1, target.type, target.on, None, uuid7())
    assert gone.event_id is not None
    with pytest.raises(Problem) as refused:
        corrections.correct(TABLE, naming(made, gone.event_id, gone), Correct(gone.event_id, Reason("typo"), None), TODAY)
    assert refused.value.code == "FACT_WITHDRAWN"
