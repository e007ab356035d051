"""Identifiers: UUID version 7, whose first 48 bits are the milliseconds of their making."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils

VERSION_WITH_TIME = 7


def uuid7() -> UUID:
    """A new identifier, greater than every one made earlier by this process."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def uuid7_time(value: UUID) -> datetime | None:
    """When `value` was made (aware, UTC, milliseconds); None if it is not version 7 and so tells nothing of it."""
    if value.version != VERSION_WITH_TIME:
        return None
    try:
        return datetime.fromtimestamp((value.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
