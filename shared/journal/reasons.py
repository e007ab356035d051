"""Reasons of facts: a code in the event (shared/contracts/codes.py) and, if more was said, the id of a note.

A note's text is in a table of the service that can be deleted. Events hold no free text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared.contracts.ids import uuid7
from shared.problems.errors import Unprocessable

if TYPE_CHECKING:
    from shared.process.db import Connection


@dataclass(frozen=True, slots=True)
class Reason:
    """`code` goes into the event, once it is found in its list; `text` is kept as a note."""

    code: str
    note_id: UUID | None = None
    text: str | None = None


def reason_of(code: str, note: str | None = None) -> Reason:
    """A reason as the caller gives it. Whether the code is one is checked with the command (`shared.writing.carry_out`)."""
    return Reason(code) if note is None else Reason(code, uuid7(), note)


def reason_with(code: str | None, note: str | None, field: str) -> Reason | None:
    """The reason of a command that may have none. Raises FIELD_REQUIRED (422) of `field` if there is a note without a code."""
    if code is None:
        if note is not None:
            raise Unprocessable("FIELD_REQUIRED", field=field)
        return None
    return reason_of(code, note)


def noted_in(command: object) -> list[Reason]:
    """The reasons of a command that have a note, whatever its fields are called."""
    # `dataclasses.fields` makes a list anew for every command.
    names: Iterable[str] = getattr(command, "__dataclass_fields__", ())
    found = [getattr(command, name) for name in names]
    return [one for one in found if isinstance(one, Reason) and one.note_id is not None]


async def put_notes(conn: Connection, reasons: Iterable[Reason]) -> None:
    """Store the notes of these reasons."""
    texts = {reason.note_id: reason.text or "" for reason in reasons if reason.note_id}
    if texts:
        statement = "INSERT INTO notes (note_id, text) SELECT * FROM unnest($1::uuid[], $2::text[])"
        await conn.execute(statement, list(texts), list(texts.values()))
