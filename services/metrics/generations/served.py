"""Reads one shard of a generation from its tables, in the form of a refold; every statement by which an audit reads."""

from __future__ import annotations

from typing import Any, TypeAlias

from services.metrics.counted import says_of
from services.metrics.folding.coverage import AttributeFact
from services.metrics.folding.facts import FactSet
from services.metrics.generations.refold import Refolded, digested
from services.metrics.measures import MEASURES, Vector, packed
from services.metrics.tables.rows import DurationKey, Key
from services.metrics.tables.store import AREA_COLUMNS, FactRow
from shared.directory.visibility import stays
from shared.process.db import Connection

Contents: TypeAlias = dict[Any, Any]
"""{key of a row: the rest of it}"""

PREFETCH = 5000

LEDGER = """
SELECT c.park, c.industry, c.size, c.ownership, l.effective_day, l.known_day, {measures} FROM (
    SELECT cell, effective_day, known_day, {sums} FROM (
        SELECT cell, effective_day, known_day, {measures} FROM g{g}.ledger WHERE shard = $1
        UNION ALL SELECT cell, effective_day, known_day, {measures} FROM g{g}.ledger_open WHERE shard = $1
    ) r GROUP BY 1, 2, 3
) l LEFT JOIN g{g}.cells c ON c.id = l.cell
"""
DURATIONS = """
SELECT c.park, c.industry, c.size, c.ownership, l.effective_day, l.known_day, l.kind, l.value, l.count FROM (
    SELECT cell, effective_day, known_day, kind, value, sum(count)::bigint AS count FROM (
        SELECT cell, effective_day, known_day, kind, value, count FROM g{g}.durations WHERE shard = $1
        UNION ALL SELECT cell, effective_day, known_day, kind, value, count FROM g{g}.durations_open WHERE shard = $1
    ) r GROUP BY 1, 2, 3, 4, 5
) l LEFT JOIN g{g}.cells c ON c.id = l.cell
"""
COUNT = """
SELECT (SELECT count(*) FROM g{g}.ledger) + (SELECT count(*) FROM g{g}.durations)
    + (SELECT count(*) FROM (
        SELECT FROM g{g}.ledger_open GROUP BY shard, cell, effective_day, known_day HAVING {any_measure}
    ) r)
    + (SELECT count(*) FROM (
        SELECT FROM g{g}.durations_open GROUP BY shard, cell, effective_day, known_day, kind, value HAVING sum(count) <> 0
    ) r)
"""
SUMS = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in MEASURES)
FACTS = "SELECT {columns} FROM g{g}.facts WHERE shard = $1"
STATES = "SELECT subject, state FROM g{g}.states WHERE shard = $1"
AREAS = "SELECT {columns} FROM g{g}.areas_facts WHERE shard = $1"
NAMES = "SELECT id, name, credit_code, park FROM g{g}.enterprises WHERE shard = $1"
UNIONS = "SELECT id, name, seat FROM g{g}.unions WHERE shard = $1"
PLACEMENTS = "SELECT park, subject FROM g{g}.placements WHERE shard = $1"
STAYS = "SELECT subject, since, until, park FROM g{g}.stays WHERE shard = $1"
SEEN = "SELECT source, subject, sequence, event_id FROM seen WHERE generation = $1 AND shard = $2"
HELD = 'SELECT topic, "offset", kind, source, subject, sequence FROM held WHERE generation = $1 AND shard = $2'


async def count(conn: Connection, generation: int) -> int:
    """Number of rows of ledger and durations as an audit counts them: one per key, none where the sum is zero.

    Only the open tables need summing: they hold no row of a closed day.
    """
    any_measure = " OR ".join(f"sum({name}) <> 0" for name in MEASURES)
    found: int = await conn.fetchval(COUNT.format(g=generation, any_measure=any_measure))
    return found


async def ledger(conn: Connection, generation: int, shard: int) -> dict[Key, Vector]:
    """{(cell, effective day, known day): sums over both tables}, without zeros."""
    statement = LEDGER.format(g=generation, measures=", ".join(MEASURES), sums=SUMS)
    found: dict[Key, Vector] = {}
    async for row in conn.cursor(statement, shard, prefetch=PREFETCH):
        values = tuple(row)
        if value := packed(values[6:]):
            key = (values[:4], values[4].toordinal(), values[5].toordinal())
            found[key] = found.get(key, 0) + value
    return found


async def durations(conn: Connection, generation: int, shard: int) -> dict[DurationKey, int]:
    """{(cell, effective day, known day, kind, value): count over both tables}, without zeros."""
    found: dict[DurationKey, int] = {}
    async for row in conn.cursor(DURATIONS.format(g=generation), shard, prefetch=PREFETCH):
        if row["count"]:
            key = (tuple(row)[:4], row["effective_day"].toordinal(), row["known_day"].toordinal(), row["kind"], row["value"])
            found[key] = found.get(key, 0) + row["count"]
    return found


async def contents(conn: Connection, generation: int, shard: int, *, attributed: bool) -> dict[str, Contents]:
    """{table: its rows} of all tables but ledger and durations; `unions` only of an `attributed` generation."""
    facts: dict[str, int] = {}
    statement = FACTS.format(g=generation, columns=", ".join(FactRow._fields))
    async for row in conn.cursor(statement, shard, prefetch=PREFETCH):
        fact = FactRow(*row)
        facts[fact.subject] = digested(facts.get(fact.subject, 0), fact, attributed=attributed)
    states = {
        row["subject"]: content_of(FactSet.load(row["state"]))
        async for row in conn.cursor(STATES.format(g=generation), shard, prefetch=PREFETCH)
    }
    areas = await conn.fetch(AREAS.format(g=generation, columns=", ".join(AREA_COLUMNS)), shard)
    found: dict[str, Contents] = {
        "facts": facts,
        "states": states,
        "areas_facts": {row["event_id"].int: _plain(row) for row in areas},
        "enterprises": {row["id"].int: tuple(row)[1:] for row in await conn.fetch(NAMES.format(g=generation), shard)},
        "placements": {(row["park"], row["subject"]): True for row in await conn.fetch(PLACEMENTS.format(g=generation), shard)},
        "stays": {(row["since"], row["subject"]): tuple(row)[2:] for row in await conn.fetch(STAYS.format(g=generation), shard)},
        "seen": {
            (row["source"], row["subject"]): (row["sequence"], row["event_id"].int) for row in await conn.fetch(SEEN, generation, shard)
        },
        "held": {(row["topic"], row["offset"]): tuple(row)[2:] for row in await conn.fetch(HELD, generation, shard)},
    }
    if attributed:
        found["unions"] = {row["id"].int: tuple(row)[1:] for row in await conn.fetch(UNIONS.format(g=generation), shard)}
    return found


def expected(refolded: Refolded, contents: dict[str, Contents]) -> dict[str, Contents]:
    """The same tables from a refold. Its states are compacted as far as the served ones, so that both can be compared."""
    for subject, served in contents["states"].items():
        if (facts := refolded.sets.get(subject)) is not None:
            facts.compact(served[0])
    rows = [{name: getattr(row, name) for name in AREA_COLUMNS} for row in refolded.areas]
    found: dict[str, Contents] = {
        "facts": dict(refolded.facts),
        "states": {subject: content_of(facts) for subject, facts in refolded.sets.items()},
        "areas_facts": {row["event_id"].int: _plain(row) for row in rows},
        "enterprises": {row.id.int: tuple(row)[1:] for row in refolded.names},
        "placements": dict.fromkeys(refolded.placements, True),
        "stays": {(stay.since, subject): stay[1:] for subject, facts in refolded.sets.items() for stay in stays(facts.placing())},
        "seen": {stream: (head.sequence, head.event_id.int) for stream, head in refolded.heads.items()},
        "held": {at: (parked.kind, *parked.record.stream, parked.record.sequence) for at, parked in refolded.held.items()},
    }
    if "unions" in contents:
        found["unions"] = {row.id.int: tuple(row)[1:] for row in refolded.unions}
    return found


def _plain(row: Any) -> tuple[Any, ...]:
    return tuple(row[name] for name in AREA_COLUMNS if name != "event_id")


def content_of(facts: FactSet) -> tuple[int, list[tuple[Any, ...]], dict[int, dict[int, int]]]:
    """The content of a set of facts, independent of the order of arrival, and the day since which it holds it."""
    attributes = sorted((_fact_key(fact) for fact in facts.attributes), key=repr)
    return facts.since, attributes, {known: net for known, net in facts.members.items() if net}


def _fact_key(fact: AttributeFact) -> tuple[Any, ...]:
    return (fact.kind, fact.occurred, fact.rank, fact.known, fact.until, sorted(says_of(fact.content).items()))
