"""Cursors of a subscription's events: a number, bound to the subscription and signed; and what is said of one that leads nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from shared.http.pages import Cursors
from shared.problems.errors import BadRequest, Gone

LIST = "subscriptions.events"


class EventCursors:
    """`encode(subscription, number)`: the client has everything up to the number. `key` is the service's secret."""

    def __init__(self, key: bytes) -> None:
        self._cursors = Cursors(key, LIST)

    def encode(self, subscription: UUID, number: int) -> str:
        """The cursor behind a number; 0: before the first."""
        return self._cursors.encode([subscription.hex, number])

    def decode(self, subscription: UUID, cursor: str) -> int | None:
        """The number; None: the cursor is not one of this subscription."""
        try:
            whose, number = self._cursors.decode(cursor, tuple[str, int])
        except BadRequest:
            return None
        return int(number) if whose == subscription.hex else None


def manifest_path(subscription: UUID, day: date) -> str:
    """Where the manifest of a day is, relative to the service."""
    return f"/v1/subscriptions/{subscription}/manifests/{day.isoformat()}"


def unknown_cursor(field: str, resume: str) -> Gone:
    """The cursor or number leads nowhere. `resume`: the cursor of the oldest number that is still held."""
    return Gone("CURSOR_UNKNOWN", field=field, members={"resume": resume})


def removed(field: str, number: int, manifest: str, resume: str) -> Gone:
    """The content of the next number was removed. `resume`: the cursor of the next number that is still held."""
    members: Mapping[str, Any] = {"resume": resume, "manifest": manifest}
    return Gone("EVENTS_REMOVED", field=field, params={"number": number, "manifest": manifest}, members=members)
