"""The events of a stream as a caller may see them: the rule of `visibility` on rows of the journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from shared.contracts import TYPES
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.directory.visibility import EveryArea, Part, Sight
from shared.journal import journal
from shared.journal.journal import JournalRow
from shared.process.db import Connection

CHUNK = 500
CHANGES = (FactCorrected, EventWithdrawn)


async def events(conn: Connection, subject: str, sight: Sight, after: int, limit: int) -> list[JournalRow]:
    """The next `limit` events of a stream after a sequence that are seen, oldest first, without what is not the caller's to know."""
    if isinstance(sight.granted, EveryArea):
        return await journal.events_of(conn, subject, after, limit)
    found: list[JournalRow] = []
    while len(found) < limit:
        rows = await journal.events_of(conn, subject, after, CHUNK)
        for row in rows:
            shown = await _withdrawal(conn, row, sight) if TYPES.get(row.type) is EventWithdrawn else _shown(row, sight)
            found += [shown] if shown is not None else []
        if len(rows) < CHUNK:
            break
        after = rows[-1].sequence
    return found[:limit]


def _kind(type_name: str) -> str:
    return type_name.split(".")[1]


def _shown(row: JournalRow, sight: Sight) -> JournalRow | None:
    if TYPES.get(row.type) is not FactCorrected:
        data = sight.part(Part(_kind(row.type), row.occurred_on, row.data))
        return None if data is None else replace(row, data=data)
    placed = {name: content for name in ("withdrawn", "replacement") if (content := row.data.get(name)) is not None}
    seen = {name: shown for name, content in placed.items() if (shown := _content(row.data["fact"], content, sight)) is not None}
    if not seen:
        return None
    others = {name: value for name, value in row.data.items() if name not in placed}
    day = date.fromisoformat(seen.get("replacement", seen.get("withdrawn", {}))["occurred_on"])
    return replace(row, data={**others, **seen}, occurred_on=day)


def _content(fact: str, content: dict[str, Any], sight: Sight) -> dict[str, Any] | None:
    data = sight.part(Part(_kind(fact), date.fromisoformat(content["occurred_on"]), content["data"]))
    return None if data is None else {**content, "data": data}


async def _withdrawal(conn: Connection, row: JournalRow, sight: Sight) -> JournalRow | None:
    """A withdrawal is seen by who sees a fact that it withdraws."""
    first, last = row.data["from"], row.data["to"]
    named = await journal.events_of(conn, row.subject, first - 1, last - first + 1)
    return row if sight.sees(_parts(named)) else None


def _parts(rows: Sequence[JournalRow]) -> Iterator[Part]:
    for row in rows:
        if TYPES.get(row.type) not in CHANGES:
            yield Part(_kind(row.type), row.occurred_on, row.data)
