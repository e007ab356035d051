"""Why something was done: a code in the event, or a note's id there and the text in a table that can be deleted. No free text in events."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared.contracts.ids import uuid7

if TYPE_CHECKING:
    from shared.process.db import Connection

REASON_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as a code for the event; a free text is code `note` with the note that keeps the text."""

    code: str
    note_id: UUID | None = None
    text: str | None = None


def reason_of(text: str) -> Reason:
    """A code as it is; anything else is free text, which goes into a note that the event only names."""
    return Reason(text) if REASON_CODE.fullmatch(text) else Reason("note", uuid7(), text)


async def put_notes(conn: Connection, reasons: Iterable[Reason]) -> None:
    """Keep the free texts that events only name."""
    texts = {reason.note_id: reason.text or "" for reason in reasons if reason.note_id}
    if texts:
        statement = "INSERT INTO notes (note_id, text) SELECT * FROM unnest($1::uuid[], $2::text[])"
        await conn.execute(statement, list(texts), list(texts.values()))
