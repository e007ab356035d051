"""Input for the job `record_due`, the role `clocks` of cases: periods that passed, contracts that took effect, and rules that change both."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from uuid import UUID

from services.cases.entries import store
from services.cases.entries.entry import Entry
from services.cases.entries.needs import Context
from services.cases.settings import Settings
from shared.http.auth import Areas
from shared.process import db
from tests.chaos.processes import due_entries
from tests.chaos.scenarios.scenario import Environment, Scenario
from tests.integration.cases.service import Cases
from tests.integration.client import settings_of

RULES: tuple[dict[str, tuple[int, str]], ...] = (
    {"arbitration_acceptance": (5, "working"), "contract_effect": (15, "calendar")},
    {"arbitration_acceptance": (6, "working"), "contract_effect": (10, "calendar")},
)
"""{rule: (days, their kind)}, in turn"""
SAID = (
    {"clock-overdue": "2026-03-17", "contract-effective": "2026-03-20"},
    {"clock-overdue": "2026-03-18", "contract-effective": "2026-03-15"},
)
"""{fact: its date} by each of RULES, for an application of 9 March 2026 (a Monday) and a contract received on 5 March; counted by hand"""


def _cases(env: Environment) -> Cases:
    return Cases(env.pool, env.database.owner_dsn)


async def _passed(env: Environment) -> list[str]:
    """A case whose period passed and a contract of two enterprises that took effect; rules change when such things are recorded already."""
    cases = _cases(env)
    if not await cases.count("areas"):
        await cases.areas()
        await _opened(cases)
        await cases.wake()
    subjects = await _opened(cases)
    for name, (days, kind) in RULES[await _rules_set(env) % len(RULES)].items():
        rolls = {"rolls": False} if name == "contract_effect" else {}
        await cases.do("rule", name=name, area="D1", valid_from="2026-01-01", value={"days": days, "day_kind": kind, **rolls})
    return subjects


async def _rules_set(env: Environment) -> int:
    return int(await env.pool.fetchval("SELECT count(*) FROM rules WHERE name = 'contract_effect'"))


async def _opened(cases: Cases) -> list[str]:
    first, second = await cases.enterprise(), await cases.enterprise()
    case = await cases.open(first, "labour_dispute", "2026-03-02")
    await cases.step(case, "arbitration_applied", "2026-03-09")
    signed: dict[str, Any] = {
        "kind": "collective",
        "enterprises": [str(first), str(second)],
        "signed_on": "2026-03-02",
        "term_until": "2028-03-01",
    }
    contract = (await cases.do("contract", **signed)).id
    await cases.do("contract_receipt", contract_id=contract, on="2026-03-05")
    return [f"enterprise/{first}", f"enterprise/{second}"]


async def _said_once(env: Environment, subjects: list[str]) -> None:
    """What passed by the rules of now stands once on each stream, what earlier rules made is taken back once; tables say the same."""
    cases = _cases(env)
    assert await due_entries(env.pool, Context.of(settings_of(Settings))) == []
    wanted = SAID[(await _rules_set(env) - 1) % len(RULES)]
    for number, subject in enumerate(subjects):
        stream = await cases.said(subject)
        names = ("clock-overdue", "contract-effective") if number % 2 == 0 else ("contract-effective",)
        for name in names:
            standing, taken_back = _walked(stream, name)
            assert [stream[rank - 1][1] for rank in standing] == [wanted[name]], (subject, name, stream)
            assert len(taken_back) == len(set(taken_back))


def _walked(stream: list[tuple[str, str, dict[str, Any]]], name: str) -> tuple[list[int], list[int]]:
    """(ranks of the facts of a name that stand, those that were taken back); never do two stand at once."""
    standing: list[int] = []
    taken_back: list[int] = []
    for rank, (said, _, data) in enumerate(stream, 1):
        if said == name:
            standing.append(rank)
        elif said == "fact-corrected" and data["rank"] in standing:
            standing.remove(data["rank"])
            taken_back.append(data["rank"])
        assert len(standing) <= 1, (name, stream)
    return standing, taken_back


async def _tables_are_the_journal(env: Environment) -> None:
    """Every standing fact of entries and their copies is an event of the journal that nothing took back, and each such event is one of them."""
    async with db.transaction(env.pool, areas=Areas.all()) as conn:
        ids = [row["id"] for row in await conn.fetch("SELECT id FROM entries")]
        entries = await store.entries(conn, ids)
        copies = [one.event_id for found in (await store.copies(conn, ids)).values() for one in found]
        rows = await conn.fetch("SELECT event_id, type, data FROM journal WHERE subject LIKE 'enterprise/%' ORDER BY id")
    gone = {UUID(row["data"]["corrects"]) for row in rows if row["type"] == "parkunion.fact-corrected.v1"}
    said = sorted(row["event_id"] for row in rows if row["type"] != "parkunion.fact-corrected.v1" and row["event_id"] not in gone)
    assert said == sorted([*(event for entry in entries.values() for event in _events(entry)), *copies])


def _events(entry: Entry) -> list[UUID]:
    assert all(earlier.rank < later.rank for earlier, later in pairwise(entry.facts))
    return [fact.event_id for fact in entry.facts if fact.event_id is not None]


RECORD_DUE = Scenario("record_due", "cases", ("services/cases/entries/waking.py",), _passed, _said_once, _tables_are_the_journal)
