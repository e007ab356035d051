"""Neutral records: the common output of the adapters, which a loader sends to the public APIs."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Area(NamedTuple):
    """A division or a park; parents come before their children. `row` is the line of its first occurrence."""

    code: str
    name: str
    kind: Literal["division", "park"]
    parent: str | None
    row: int | None = None


class Headcount(NamedTuple):
    """The number of workers on a day (ISO)."""

    on: str
    workers: int


class Founding(NamedTuple):
    """An enterprise union approved on a day (ISO), with the number of members who join on that day."""

    approved_on: str
    members: int


class Enterprise(NamedTuple):
    """An enterprise with its first facts. `key` is its name in the file and the prefix of all idempotency keys and document numbers."""

    key: str
    row: int
    name: str
    park: str
    settled_on: str
    headcount: Headcount | None
    union: Founding | None


class Case(NamedTuple):
    """A rights case of an employer: it happened and was reported on `opened_on`, and ended on `closed_on` with `outcome`; None: it is open.

    `key`: its name in the file and the end of its idempotency keys. `workers`: those concerned, None: not known. The others are codes.
    """

    key: str
    row: int
    kind: str
    subkind: str
    channel: str
    opened_on: str
    workers: int | None
    closed_on: str | None
    outcome: str | None


class Employer(NamedTuple):
    """An enterprise that a file knows by its cases. `key`: what tells it from others of the source."""

    key: str
    row: int
    name: str
    park: str
    settled_on: str
    cases: tuple[Case, ...]


class Finding(NamedTuple):
    """An oddity that was kept: the case, the code, the line of the file, and the detail."""

    case: str
    code: str
    row: int
    detail: str
