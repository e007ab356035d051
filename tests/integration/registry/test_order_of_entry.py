"""The same facts, entered in any order through the API into a real database: the same enterprise on each day, and the same figures."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.metrics.folding.changes import change_of
from services.metrics.folding.facts import FactSet
from shared.contracts import decode
from shared.contracts.registry import SOURCE
from shared.http.auth import Areas
from shared.journal import journal
from shared.process import db
from tests import oracle
from tests.integration.registry.service import Registry, line, registry_of_a_test  # noqa: F401

DAYS = [date(2019, 12, 1) + timedelta(days=15 * n) for n in range(110)]
KNOWN = date(2100, 1, 1)
FACTS: list[tuple[str, str, dict[str, Any]]] = [
    ("headcount", "headcounts", {"on": "2019-12-20", "workers": 8}),
    ("headcount", "headcounts", {"on": "2020-06-01", "workers": 120}),
    ("move", "moves", {"on": "2020-07-01", "park": "D2-P001"}),
    ("classification", "classifications", {"on": "2020-08-01", "industry": "M73"}),
    ("move", "moves", {"on": "2020-09-01", "park": "D1-P001"}),
    ("headcount", "headcounts", {"on": "2020-10-01", "workers": 350}),
    ("classification", "classifications", {"on": "2020-11-01", "ownership": "159", "revenue": 600_000_000}),
    ("classification", "classifications", {"on": "2020-12-01", "industry": "F51"}),
    ("headcount", "headcounts", {"on": "2021-06-01", "workers": 30}),
    ("closure", "closure", {"on": "2022-01-01", "reason": "dissolved"}),
    ("headcount", "headcounts", {"on": "2022-03-01", "workers": 2}),
    ("move", "moves", {"on": "2022-04-01", "park": "D2-P001"}),
]
ORDERS = [list(range(len(FACTS))), list(range(len(FACTS)))[::-1]]
ORDERS += [random.Random(seed).sample(range(len(FACTS)), len(FACTS)) for seed in range(6)]


async def outcome(registry: Registry, enterprise: str) -> Any:
    """What a read answers; and the steps of the figures and the figures of many days, by the events."""
    _, answer = await registry.get(f"/v1/enterprises/{enterprise}")
    for name in ("id", "subject", "sequence"):
        del answer[name]
    async with db.transaction(registry.pool, areas=Areas.all()) as conn:
        rows = await journal.events_of(conn, f"enterprise/{UUID(enterprise)}", 0, 1000)
    events = [decode(journal.cloud_event(row, SOURCE)) for row in rows]
    shape = FactSet.rebuilt([change_of(event, KNOWN.toordinal()) for event in events], {}, KNOWN.toordinal()).shape
    facts = oracle.facts_known(events, KNOWN)
    return answer, shape, [oracle.contribution(facts, day) for day in DAYS]


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("batched", [False, True])
async def test_in_whatever_order_facts_are_entered_state_and_figures_are_the_same(registry: Registry, batched: bool) -> None:
    outcomes = []
    for order in ORDERS:
        enterprise = await registry.enterprise(industry="C39")
        facts = [FACTS[n] for n in order]
        if batched:
            answers = await registry.batch(*(line(op, enterprise_id=enterprise, **body) for op, _, body in facts))
            assert [answer["status"] for answer in answers] == [201] * len(FACTS)
        else:
            for _, path, body in facts:
                await registry.made(f"/v1/enterprises/{enterprise}/{path}", body)
        outcomes.append(await outcome(registry, enterprise))
    assert all(one == outcomes[0] for one in outcomes)
    answer, shape, _ = outcomes[0]
    assert [stay["from"] for stay in answer["placements"]] == ["2020-01-01", "2020-07-01", "2020-09-01", "2022-04-01"]
    assert len({segment.cell[2] for segment in shape if segment.cell}) >= 3, "several size classes"


async def test_what_is_withdrawn_or_corrected_takes_later_size_classes_with_it(registry: Registry) -> None:
    enterprise = await registry.enterprise(industry="C39")
    path = f"/v1/enterprises/{enterprise}"
    counted = await registry.made(f"{path}/headcounts", {"on": "2020-10-01", "workers": 350})
    assert len(counted["event_ids"]) == 1
    plain = await outcome(registry, enterprise)
    wrong = await registry.made(f"{path}/classifications", {"on": "2020-08-01", "industry": "M73"})
    assert len(wrong["event_ids"]) == 2
    assert (await registry.get(path))[1]["size"] == "large"
    async with db.transaction(registry.pool, areas=Areas.all()) as conn:
        rows = await journal.events_of(conn, f"enterprise/{enterprise}", 0, 100)
    assert (rows[-1].data["reason"], str(rows[-1].cause_id), rows[-1].data["corrects"]) == (
        "size_follows",
        wrong["event_ids"][0],
        counted["event_ids"][0],
    )
    gone = {"subject": f"enterprise/{enterprise}", "from": 3, "to": 3, "reason": "never_was"}
    registry.be("*", scopes=frozenset({"registry:read", "registry:write", "registry:operate"}))
    await registry.made("/v1/withdrawals", gone)
    assert (await registry.get(path))[1]["size"] == plain[0]["size"]
    # The client names the event that it was told of, though the platform has corrected the size class of the fact since, twice.
    named = {"corrects": counted["event_ids"][0], "reason": "typo", "data": {"on": "2022-05-01"}}
    await registry.made("/v1/corrections", named)
    await registry.made(f"{path}/closure", {"on": "2022-01-01", "reason": "dissolved"})
    status, refused = await registry.post("/v1/corrections", named)
    assert (status, refused["code"]) == (409, "ALREADY_CORRECTED")
