"""Nobody changes by a correction what lies outside the token's areas: not where an enterprise is, nor what is said of a day there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import count
from typing import Any

import pytest

from services.registry.facts import TABLE
from shared.contracts import TYPES
from shared.http.auth import Areas
from shared.process import db
from tests.integration.registry.service import Registry, line, registry_of_a_test, settling  # noqa: F401

A1, A2, B1 = "D1-P001", "D1-P002", "D2-P001"
CALLERS: tuple[tuple[str, ...], ...] = (("D1",), ("D2",), ("D1", "D2"), (A1, B1), (), ("R",))
LIFE: list[tuple[str, dict[str, Any]]] = [
    ("headcount", {"on": "2020-02-01", "workers": 111}),
    ("classification", {"on": "2020-03-01", "industry": "C13"}),
    ("move", {"on": "2021-01-01", "park": B1}),
    ("headcount", {"on": "2021-02-01", "workers": 222}),
    ("classification", {"on": "2021-03-01", "industry": "C14"}),
    ("move", {"on": "2021-06-01", "park": A2}),
    ("move", {"on": "2021-09-01", "park": B1}),
    ("closure", {"on": "2022-01-01", "reason": "bankrupt"}),
]
"""What happens to an enterprise that settled in A1 on 2020-01-01: it moves to another district, back, and there again."""
OTHERS: Mapping[str, list[Any]] = {
    "park": [A1, A2, B1],
    "parent": ["D1", "D2", "R"],
    "name": ["别的名称"],
    "credit_code": ["91350100M000100Y43"],
    "registration_number": ["110108000000016"],
    "industry": ["M73"],
    "ownership": ["110"],
    "workers": [7],
    "revenue": [5],
    "reason": ["moved_away"],
}
"""{field of a command: other values}"""
PLACELESS = {"name", "credit_code", "registration_number"}
"""What is said of the enterprise as such: it is true where the enterprise is now."""
DATES = ("2020-01-15", "2021-01-20", "2021-07-01", "2021-12-31")
NAMES = {contract: name for name, contract in TYPES.items()}
NUMBERS = count(1)

Event = dict[str, Any]


async def journal(registry: Registry, subject: str) -> list[Event]:
    async with db.transaction(registry.pool, areas=Areas.all()) as conn:
        rows = await conn.fetch("SELECT * FROM journal WHERE subject = $1 ORDER BY sequence", subject)
    return [dict(row) for row in rows]


def holding(events: list[Event]) -> dict[int, tuple[str, date, Any]]:
    """{rank: (type, day, content)} of the facts that hold."""
    facts: dict[int, tuple[str, date, Any]] = {}
    for event in events:
        data = event["data"]
        if "fact-corrected" not in event["type"]:
            facts[event["sequence"]] = (event["type"], event["occurred_on"], data)
        elif data.get("replacement") is None:
            del facts[data["rank"]]
        else:
            facts[data["rank"]] = (data["fact"], date.fromisoformat(data["replacement"]["occurred_on"]), data["replacement"]["data"])
    return facts


def views(events: list[Event]) -> dict[str, set[Any]]:
    """{park: what is true there}: that the enterprise is there on a day, and the facts of such days, by a way of its own."""
    facts = holding(events)
    steps = sorted((on, rank, data["park"]) for rank, (_, on, data) in facts.items() if "park" in data)
    found: dict[str, set[Any]] = {}
    if not any("enterprise-registered" in kind for kind, _, _ in facts.values()):
        return found

    def park_on(day: date) -> str:
        before = [park for on, _, park in steps if on <= day]
        return str(before[-1] if before else steps[0][2])

    for month in range(36):
        for day in (1, 16):
            when = date(2020 + month // 12, month % 12 + 1, day)
            found.setdefault(park_on(when), set()).add(when)
    for rank, (kind, on, data) in facts.items():
        placed = {name: value for name, value in data.items() if name not in PLACELESS}
        found.setdefault(park_on(on), set()).add((rank, kind, on, str(sorted(placed.items()))))
        found.setdefault(park_on(date.max), set()).add((rank, str(sorted((data.items() - placed.items()), key=str))))
    return found


def ways(type_name: str) -> Iterator[Mapping[str, Any] | None]:
    """The `data` of corrections of such a fact: to nothing, its date, and each of its fields."""
    kind = TABLE.kind_named(type_name)
    assert kind is not None
    yield None
    for day in DATES:
        yield {kind.date: day}
    for name in kind.fields:
        for value in OTHERS[name]:
            yield {name: value}


async def enterprise(registry: Registry) -> str:
    registry.be("*")
    made = await registry.enterprise(name=f"厂{next(NUMBERS)}")
    answers = await registry.batch(*(line(op, enterprise_id=made, **body) for op, body in LIFE))
    assert {answer["status"] for answer in answers} == {201}, answers
    return f"enterprise/{made}"


@pytest.mark.invariant("I6")
async def test_no_correction_of_any_fact_changes_what_is_true_where_the_caller_has_no_grant(registry: Registry) -> None:
    await registry.made("/v1/areas", {"code": A2, "name": "二园", "kind": "park", "parent": "D1"})
    told = await journal(registry, await enterprise(registry))
    assert {event["type"] for event in told} == {NAMES[kind.contract] for kind in TABLE.facts} - {"parkunion.area-registered.v1"}
    outcomes: dict[tuple[int, str], list[int]] = {}
    before = told
    for n, event in enumerate(told):
        for data in ways(event["type"]):
            for areas in CALLERS:
                registry.be(*areas)
                batch = n % 2 == 0
                body: dict[str, Any] = {"corrects": str(before[n]["event_id"]), "reason": "typo", "data": data}
                if batch:
                    status = (await registry.batch(line("correction", **body)))[0]["status"]
                else:
                    status, _ = await registry.post("/v1/corrections", body)
                after = await journal(registry, before[0]["subject"])
                assert (status == 201) == (len(after) > len(before))
                old, new = views(before), views(after)
                changed = {park for park in old.keys() | new.keys() if old.get(park) != new.get(park)}
                granted = {park for park in (A1, A2, B1) if {park, park[:2], "R"} & {*areas}}
                assert changed <= granted, (event["type"], event["occurred_on"], data, areas)
                outcomes.setdefault((n, str(data)), []).append(status)
                # One that is still as it was told serves again.
                before = before if after == before else await journal(registry, await enterprise(registry))
    for place, statuses in outcomes.items():
        # Who has both districts, or all, is refused by no grant.
        assert 403 not in (statuses[2], statuses[-1]), place
        assert statuses[4] == 403, place
    assert any(statuses[1] == 201 for statuses in outcomes.values())


@pytest.mark.invariant("I6")
@pytest.mark.parametrize(
    ("data", "allowed"),
    [
        ({"name": "更正后的名称"}, [("D2",), (B1,)]),
        ({"credit_code": "91350100M000100Y43"}, [("D2",)]),
        ({"name": "更正后的名称", "registration_number": "110108000000016"}, [("D2",)]),
        # What counts on days at the first place needs both, also beside a name.
        ({"name": "更正后的名称", "industry": "M73"}, []),
        ({"ownership": "110"}, []),
        ({"settled_on": "2020-01-15", "name": "更正后的名称"}, []),
        ({"park": A1, "name": "更正后的名称"}, []),
        ({}, []),
        (None, []),
    ],
)
async def test_the_name_of_an_enterprise_is_corrected_by_whoever_has_it_now(registry: Registry, data: Any, allowed: list[Any]) -> None:
    made = await registry.enterprise()
    await registry.made(f"/v1/enterprises/{made}/moves", {"on": "2021-01-01", "park": B1})
    registered = (await journal(registry, f"enterprise/{made}"))[0]["event_id"]
    for areas in (("D1",), (A1,), (), *allowed, ("D2",)):
        registry.be(*areas)
        status, answer = await registry.post("/v1/corrections", {"corrects": str(registered), "reason": "typo", "data": data})
        if areas in allowed:
            assert status == 201, answer
            return
        assert (status, answer["code"]) == (403, "AREA_NOT_GRANTED"), (areas, answer)
    registry.be("D1", "D2")
    status, answer = await registry.post("/v1/corrections", {"corrects": str(registered), "reason": "typo", "data": data})
    assert status in (201, 409, 422), answer


@pytest.mark.invariant("I6")
async def test_an_officer_does_not_bring_an_enterprise_back_by_correcting_its_move(registry: Registry) -> None:
    made = await registry.enterprise()
    move = await registry.made(f"/v1/enterprises/{made}/moves", {"on": "2021-01-01", "park": B1})
    body: dict[str, Any] = {"corrects": move["event_ids"][0], "reason": "typo"}
    registry.be("D2")
    for data in (None, {"park": A1}, {"on": "2021-03-01"}, {"on": "2020-06-01"}):
        status, answer = await registry.post("/v1/corrections", {**body, "data": data})
        assert (status, answer["code"]) == (403, "AREA_NOT_GRANTED"), data
        (told,) = await registry.batch(line("correction", **body, data=data))
        assert told["status"] == 403
    status, _ = await registry.post("/v1/withdrawals", {"subject": move["subject"], "from": 1, "to": 2, "reason": "typo"})
    assert status == 403
    registry.be("D1", "D2")
    assert (await registry.post("/v1/corrections", {**body, "data": None}))[0] == 201


@pytest.mark.invariant("I6")
@pytest.mark.parametrize(
    ("areas", "data", "status"),
    [
        (("D1",), {"parent": "D2"}, 403),
        (("D2",), {"parent": "D2"}, 403),
        (("Q",), {"parent": "D2"}, 403),
        (("Q", "D2"), {"parent": "D2"}, 403),
        (("Q",), None, 403),
        (("D1", "D2"), {"parent": "D2"}, 201),
        (("D1",), {"name": "新名"}, 201),
        (("Q",), {"name": "新名"}, 201),
        (("D1",), None, 201),
        (("D1",), {"parent": None}, 403),
    ],
)
async def test_an_area_goes_only_between_areas_of_the_caller(registry: Registry, areas: tuple[str, ...], data: Any, status: int) -> None:
    made = await registry.made("/v1/areas", {"code": "Q", "name": "区", "kind": "division", "parent": "D1"})
    registry.be(*areas)
    got, answer = await registry.post("/v1/corrections", {"corrects": made["event_ids"][0], "reason": "typo", "data": data})
    assert got == status, answer


async def test_a_line_is_judged_by_what_the_lines_before_it_made(registry: Registry) -> None:
    made = await registry.enterprise()
    first = await registry.made(f"/v1/enterprises/{made}/headcounts", {"on": "2020-05-01", "workers": 3})
    registry.be("D1")
    answers = await registry.batch(
        line("correction", corrects=first["event_ids"][0], reason="typo", data={"workers": 4}),
        line("move", enterprise_id=made, on="2020-06-01", park=B1),
    )
    assert [answer["status"] for answer in answers] == [201, 403]
    assert settling()["park"] == A1
