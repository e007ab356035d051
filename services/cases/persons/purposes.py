"""The header `Purpose`: why somebody reads what is kept of persons. Personal Information Protection Law, art. 6: a stated, plain purpose."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from urllib.parse import unquote_to_bytes

from fastapi import Header

from shared.problems.errors import Unprocessable
from shared.problems.personal import holds_resident_number
from shared.problems.texts import CONTROL, shows_nothing

HEADER = "Purpose"
LONGEST = 200
"""Characters of a purpose; of the header at most nine times as many, since a character may be three bytes, each in three characters."""

Purpose: TypeAlias = Annotated[
    str,
    Header(
        alias=HEADER,
        min_length=1,
        max_length=9 * LONGEST,
        description="Why the persons are read, 1 to 200 characters; other letters than ASCII in UTF-8, percent-encoded or not. It is kept in "
        "the log of readings with the name of the caller.",
        examples=["call back the reporter"],
    ),
]


def purpose_of(header: str) -> str:
    """The purpose as it is kept. Raises EMPTY, TOO_LONG, CONTROL_CHARACTERS, HOLDS_RESIDENT_NUMBER (422) of the header."""
    return checked(_decoded(header), HEADER)


def checked(purpose: str, field: str) -> str:
    """The purpose as it is kept. Raises EMPTY, TOO_LONG, CONTROL_CHARACTERS, HOLDS_RESIDENT_NUMBER (422) of the field."""
    text = purpose.strip()
    if not text or shows_nothing(text):
        raise Unprocessable("EMPTY", field=field)
    if len(text) > LONGEST:
        raise Unprocessable("TOO_LONG", field=field, params={"limit": LONGEST})
    if CONTROL.search(text):
        raise Unprocessable("CONTROL_CHARACTERS", field=field)
    if holds_resident_number(text):
        raise Unprocessable("HOLDS_RESIDENT_NUMBER", field=field)
    return text


def _decoded(header: str) -> str:
    """Headers arrive as Latin-1, whatever their bytes mean."""
    sent = unquote_to_bytes(header.encode("latin-1", "replace"))
    try:
        return sent.decode("utf-8")
    except UnicodeDecodeError:
        return header
