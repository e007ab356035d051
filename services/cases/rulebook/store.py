"""Reads of the tables of rules and calendars."""

from __future__ import annotations

from typing import Any

from shared.process.db import Connection

SET = "SELECT name, area, valid_from, value, event_id, set_on, rank FROM rules ORDER BY name, area NULLS FIRST, valid_from, rank"
YEARS = """
SELECT DISTINCT ON (year) year, holidays, working_days, source, event_id, set_on, rank FROM calendar_years ORDER BY year, rank DESC
"""


async def values(conn: Connection) -> list[dict[str, Any]]:
    """Every value that was set, by rule, area and day."""
    return [dict(row) for row in await conn.fetch(SET)]


async def years(conn: Connection) -> list[dict[str, Any]]:
    """The last arrangement of every year that has a table."""
    return [dict(row) for row in await conn.fetch(YEARS)]
