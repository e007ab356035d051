"""How releases 0.1 and 0.2 wrote persons: they hashed a number with its kind, and took any kind. Pure."""

from __future__ import annotations

from shared.persons.documents import LIKE_RESIDENT_IDS, RESIDENT_ID, RULES, SAMPLE, Document, plain, resident_form
from shared.problems.personal import resident_number


def hashed_as(document: Document) -> str:
    """The kind under which those releases look for the person."""
    return RESIDENT_ID if document.kind in LIKE_RESIDENT_IDS and resident_number(document.number) else document.kind


def written_as(document: Document, kind: str) -> list[str]:
    """The forms of the number that they knew under a kind: they took the 15 digits as others under all kinds but one."""
    number = document.number
    if kind == RESIDENT_ID or not resident_number(number) or number[6:8] != "19":
        return [number]
    return [number, number[:6] + number[8:17]]


def written_before(kind: str, number: str) -> str:
    """The normal form of a number in a row of theirs, whose kinds and forms were free."""
    found = resident_form(number)
    if found is not None:
        return found
    if kind == SAMPLE:
        return number
    text = plain(number)
    for one in (kind, "hong_kong_macao_permit", "military_id"):
        if one in RULES and (match := RULES[one].form.fullmatch(text)):
            return RULES[one].of(match)
    return text or number
