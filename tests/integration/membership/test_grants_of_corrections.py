"""Nobody corrects what is said of a day and a place for which the token has no grant: unions, coverage, members, visits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from services.membership.facts import TABLE
from shared.contracts import TYPES
from shared.contracts.registry import EnterpriseMoved
from shared.http.auth import Areas
from shared.problems.errors import Problem
from tests.integration.membership.service import Membership, membership_of_a_test  # noqa: F401

CALLERS: tuple[tuple[str, ...], ...] = (("D1",), ("D2",), ("D1", "D2"), ("P1",), (), ("ROOT",))
MOVED = "2021-06-01"
OTHERS: Mapping[str, list[Any]] = {
    "name": ["别的名称"],
    "seat_area": ["P2", "P1", "D2"],
    "reason": ["resigned", "retired"],
    "purpose": ["rights"],
    "outcome": ["agreed"],
}
"""{field of a command: other values}"""
DATES = ("2020-02-02", "2021-07-15", "2021-12-31")
NAMES = {contract: name for name, contract in TYPES.items()}
NUMBERS = count(1)


async def life(membership: Membership) -> tuple[UUID, UUID]:
    """A joint union with its seat in P1, and an enterprise of P1 that moves to P2; every kind of fact, before and after the move.

    (union, enterprise)
    """
    enterprise, other = await membership.enterprise("P1"), await membership.enterprise("P1")
    await membership.receive((f"enterprise/{enterprise}", EnterpriseMoved(park="P2", district="D2"), MOVED))
    union = await membership.union(enterprise, other, kind="joint_union", on="2020-02-01")
    member = await membership.member(union, enterprise, f"a{next(NUMBERS)}", on="2020-03-01")
    await membership.member(union, enterprise, f"b{next(NUMBERS)}", on="2021-07-02")
    for on in ("2020-04-01", "2021-08-02"):
        await membership.do("visit", enterprise_id=enterprise, visited_on=on, purpose="founding")
    await membership.do("leave", member_id=member, on="2021-07-01", reason="retired")
    await membership.do("coverage", union_id=union, enterprise_id=enterprise, ended=True, on="2021-08-03")
    await membership.do("coverage", union_id=union, enterprise_id=enterprise, started=True, on="2021-09-01")
    await membership.do("dissolution", union_id=union, on="2021-11-01", reason="merged")
    return union, enterprise


async def facts(membership: Membership, *subjects: str) -> list[dict[str, Any]]:
    rows = await membership.pool.fetch("SELECT * FROM journal WHERE subject = ANY($1::text[]) ORDER BY subject, sequence", list(subjects))
    return [dict(row) for row in rows]


def standing(events: list[dict[str, Any]], subject: str, rank: int) -> tuple[str, date, dict[str, Any]] | None:
    """(type, day, content) of a fact as it holds."""
    found = None
    for event in events:
        data = event["data"]
        if event["subject"] != subject:
            continue
        if event["sequence"] == rank:
            found = (event["type"], event["occurred_on"], data)
        elif "fact-corrected" in event["type"] and data["rank"] == rank:
            new = data.get("replacement")
            found = None if new is None else (data["fact"], date.fromisoformat(new["occurred_on"]), new["data"])
    return found


def districts(fact: tuple[str, date, dict[str, Any]] | None, seat: str) -> set[str]:
    """Where a fact is true: at the seat of its union; at its enterprise on its day; coverage at both."""
    if fact is None:
        return set()
    kind, on, data = fact
    there = {"D2" if on >= date.fromisoformat(MOVED) else "D1"}
    if "union-founded" in kind:
        return {f"D{data['seat_area'][1:]}"}
    if "union-dissolved" in kind:
        return {seat}
    return there | {seat} if "coverage" in kind else there


def ways(type_name: str) -> Iterator[Mapping[str, Any] | None]:
    kind = TABLE.kind_named(type_name)
    assert kind is not None
    yield None
    for day in DATES:
        yield {kind.date: day}
    for name in kind.fields:
        for value in OTHERS[name]:
            yield {name: value}


@pytest.mark.invariant("I6")
async def test_no_correction_of_any_fact_changes_what_is_true_where_the_caller_has_no_grant(membership: Membership) -> None:
    async def told_anew() -> tuple[tuple[str, str], list[dict[str, Any]]]:
        union, enterprise = await life(membership)
        streams = (f"enterprise/{enterprise}", f"union/{union}")
        return streams, await facts(membership, *streams)

    streams, told = await told_anew()
    before = told
    assert {event["type"] for event in told} == {NAMES[kind.contract] for kind in TABLE.facts}
    carried_out: set[tuple[str, ...]] = set()
    for n, event in enumerate(told):
        if event["data"].get("reason") == "union_dissolved":
            continue  # corrected with the dissolution
        for data in ways(event["type"]):
            results: list[str] = []
            for areas in CALLERS:
                target = before[n]
                try:
                    granted = Areas.of(areas)
                    await membership.do("correction", areas=granted, corrects=target["event_id"], reason="typo", data=data)
                    results.append("done")
                    carried_out.add(areas)
                except Problem as problem:
                    results.append(problem.code)
                    # It is as it was told, and serves again.
                    assert await facts(membership, *streams) == before
                    continue
                after = await facts(membership, *streams)
                old = standing(before, target["subject"], target["sequence"])
                new = standing(after, target["subject"], target["sequence"])
                assert old != new
                allowed = {"D1", "D2"} if areas == ("ROOT",) else {f"D{area[1:]}" for area in areas}
                changed = districts(old, "D1") | districts(new, "D1")
                assert changed <= allowed, (event["type"], event["occurred_on"], data, areas)
                streams, before = await told_anew()
            # Who has both districts is refused by no grant.
            assert results[2] == results[-1] != "AREA_NOT_GRANTED", (event["type"], data)
            assert results[4] == "AREA_NOT_GRANTED"
    assert {("D1",), ("D2",), ("D1", "D2"), ("ROOT",)} <= carried_out


@pytest.mark.invariant("I6")
async def test_coverage_is_corrected_with_grants_for_the_seat_and_the_unit(membership: Membership) -> None:
    unit = await membership.enterprise("P2")
    union = await membership.union(unit, kind="joint_union", seat="P1")
    (event,) = (row for row in await facts(membership, f"enterprise/{unit}") if "coverage" in row["type"])
    for areas in (("D1",), ("D2",)):
        with pytest.raises(Problem, match="AREA_NOT_GRANTED"):
            await membership.do("correction", areas=Areas.of(areas), corrects=event["event_id"], reason="typo", data={"on": "2021-02-02"})
    both = Areas.of(("D1", "D2"))
    await membership.do("correction", areas=both, corrects=event["event_id"], reason="typo", data={"on": "2021-02-02"})
    assert union


@pytest.mark.invariant("I6")
async def test_a_seat_goes_only_between_areas_of_the_caller(membership: Membership) -> None:
    union = await membership.union(await membership.enterprise("P1"))
    (event,) = await facts(membership, f"union/{union}")
    for areas in (("D1",), ("D2",)):
        with pytest.raises(Problem, match="AREA_NOT_GRANTED"):
            await membership.do("correction", areas=Areas.of(areas), corrects=event["event_id"], reason="typo", data={"seat_area": "P2"})
    await membership.do("correction", areas=Areas.of(("P1", "P2")), corrects=event["event_id"], reason="typo", data={"seat_area": "P2"})


@pytest.mark.invariant("I6")
async def test_a_repeat_by_a_token_of_other_areas_gets_no_ids(membership: Membership) -> None:
    unit = await membership.enterprise("P1")
    body: dict[str, Any] = {"kind": "joint_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(unit)]}
    first = await membership.do("union", key="k", areas=Areas.of(("D1",)), **body)
    assert await membership.do("union", key="k", areas=Areas.of(("P1",)), **body) == first
    with pytest.raises(Problem, match="AREA_NOT_GRANTED"):
        await membership.do("union", key="k", areas=Areas.of(("D2",)), **body)
    # A row that a release up to 0.2 has kept.
    await membership.pool.execute("UPDATE idempotency SET key = 'k', result = result - 'areas'")
    assert (await membership.do("union", key="k", areas=Areas.of(("D1",)), **body)).id == first.id
    with pytest.raises(Problem, match="AREA_NOT_GRANTED"):
        await membership.do("union", key="k", areas=Areas.of(("D2",)), **body)
