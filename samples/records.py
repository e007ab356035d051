"""What every sample's adapter says, whatever its file looks like: neutral records that a loader brings through the public APIs."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Area(NamedTuple):
    """A division or a park; parents come before their children. `row` is the line of the file that named it first."""

    code: str
    name: str
    kind: Literal["division", "park"]
    parent: str | None
    row: int | None = None


class Headcount(NamedTuple):
    """So many workers on that day (ISO)."""

    on: str
    workers: int


class Founding(NamedTuple):
    """A union of the enterprise's own, approved on that day (ISO), which so many persons join on the same day."""

    approved_on: str
    members: int


class Enterprise(NamedTuple):
    """An enterprise with what is known of it. `key` names it in the file and is the root of all idempotency keys and document numbers."""

    key: str
    row: int
    name: str
    park: str
    settled_on: str
    headcount: Headcount | None
    union: Founding | None


class Finding(NamedTuple):
    """Something odd that was kept: the case, the code, the line of the file, and what was found there."""

    case: str
    code: str
    row: int
    detail: str
