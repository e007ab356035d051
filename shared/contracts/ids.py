"""Identifiers: UUID version 7, whose first 48 bits are the milliseconds of their making."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat

FORM = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
VERSION_WITH_TIME = 7


def uuid7() -> UUID:
    """A new identifier, greater than every one made earlier by this process."""
    return uuid_utils.compat.uuid7()


def uuid_of(text: str) -> UUID:
    """The identifier in its one form of 36 characters. Raises ValueError.

    `UUID` alone also takes braces, URNs, missing hyphens, and digits of other scripts.
    """
    if not FORM.fullmatch(text):
        raise ValueError("an id is a UUID of 36 characters")
    return UUID(text)


def uuid7_time(value: UUID) -> datetime | None:
    """When `value` was made (aware, UTC, milliseconds); None if it is not version 7 and so tells nothing of it."""
    if value.version != VERSION_WITH_TIME:
        return None
    try:
        return datetime.fromtimestamp((value.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
