"""Reasons of facts: a code in the event, or the id of a note whose text is in a table that can be deleted. Events hold no free text."""

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
    """`code` goes into the event. A free text has the code `note` and is kept as a note."""

    code: str
    note_id: UUID | None = None
    text: str | None = None


def reason_of(text: str) -> Reason:
    """A reason from a caller's text: a code as it is; any other text becomes a note."""
    return Reason(text) if REASON_CODE.fullmatch(text) else Reason("note", uuid7(), text)


async def put_notes(conn: Connection, reasons: Iterable[Reason]) -> None:
    """Store the notes of these reasons."""
    texts = {reason.note_id: reason.text or "" for reason in reasons if reason.note_id}
    if texts:
        statement = "INSERT INTO notes (note_id, text) SELECT * FROM unnest($1::uuid[], $2::text[])"
        await conn.execute(statement, list(texts), list(texts.values()))
