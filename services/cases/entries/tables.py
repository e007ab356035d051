"""Every statement on the tables of rules and calendars, and what each process keeps of them while they do not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from services.cases.calendars.calendar import Calendar, YearTable
from services.cases.entries.world import World
from services.cases.rulebook.book import EVERYWHERE
from services.cases.rulebook.rulebook import Rulebook, RuleValue
from shared.process.db import Connection

VERSION = "SELECT version FROM book_version"
RULES = "SELECT name, rank, area, valid_from, value FROM rules ORDER BY rank"
YEARS = "SELECT year, rank, holidays, working_days, source FROM calendar_years ORDER BY rank"
RAISE = "UPDATE book_version SET version = version + 1 RETURNING version"
PUT_RULE = """
INSERT INTO rules (name, rank, area, valid_from, value, event_id, set_on) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (name, rank) DO UPDATE SET area = excluded.area, valid_from = excluded.valid_from, value = excluded.value,
    event_id = excluded.event_id, set_on = excluded.set_on
"""
PUT_YEAR = """
INSERT INTO calendar_years (year, rank, holidays, working_days, source, event_id, set_on) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (year, rank) DO UPDATE SET holidays = excluded.holidays, working_days = excluded.working_days, source = excluded.source,
    event_id = excluded.event_id, set_on = excluded.set_on
"""
DROP_RULE = "DELETE FROM rules WHERE name = $1 AND rank = $2"
DROP_YEAR = "DELETE FROM calendar_years WHERE year = $1 AND rank = $2"


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables at one version."""

    version: int
    rules: Mapping[tuple[str, int], RuleValue]
    years: Mapping[tuple[int, int], YearTable]
    made: tuple[Rulebook, Calendar]


@dataclass(slots=True)
class TableCache:
    """What a process has read of the tables last."""

    tables: Tables | None = field(default=None)

    async def current(self, conn: Connection) -> Tables:
        """The tables as they are now, read again only if their version changed."""
        version = await conn.fetchval(VERSION)
        if self.tables is None or self.tables.version != version:
            self.tables = await _read(conn, version)
        return self.tables


async def _read(conn: Connection, version: int) -> Tables:
    rules = {
        (row["name"], row["rank"]): RuleValue(row["name"], row["area"] or EVERYWHERE, row["valid_from"], row["value"])
        for row in await conn.fetch(RULES)
    }
    years = {
        (row["year"], row["rank"]): YearTable(row["year"], frozenset(row["holidays"]), frozenset(row["working_days"]), row["source"])
        for row in await conn.fetch(YEARS)
    }
    return Tables(version, rules, years, (Rulebook(rules.values()), Calendar(years.values())))


async def write(conn: Connection, world: World, events: Mapping[tuple[str, int], UUID]) -> None:
    """Bring the tables up to the world. Entries that were computed by earlier ones are computed again by the role `clocks`."""
    if not world.changed_rules and not world.changed_years:
        return
    await conn.execute(RAISE)
    for name, rank in sorted(world.changed_rules):
        value, stream = world.rules.get((name, rank)), f"rule/{name}"
        if value is None:
            await conn.execute(DROP_RULE, name, rank)
            continue
        area = None if value.area == EVERYWHERE else value.area
        set_on = world.set_by[stream, rank].on
        await conn.execute(PUT_RULE, name, rank, area, value.valid_from, dict(value.value), events[stream, rank], set_on)
    for year, rank in sorted(world.changed_years):
        table, stream = world.years.get((year, rank)), f"calendar/{year}"
        if table is None:
            await conn.execute(DROP_YEAR, year, rank)
            continue
        days = sorted(table.holidays), sorted(table.working_days)
        await conn.execute(PUT_YEAR, year, rank, *days, table.source, events[stream, rank], world.set_by[stream, rank].on)
