"""The world of membership: enterprises, unions, the coverage between them, memberships. Loaded in part, under locks.

Decisions read it. Only the `put` and `drop` of facts change it (`shared.writing.evolving`); they note in `touched_*` what is to be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NewType
from uuid import UUID

import msgspec

from shared.contracts.membership import UnionKind
from shared.directory.known import EnterpriseId, Known
from shared.problems.errors import NotFound, Unprocessable
from shared.writing import facts

UnionId = NewType("UnionId", UUID)
MembershipId = NewType("MembershipId", UUID)
PersonNo = NewType("PersonNo", int)
"""A person's number in this service. Below 0: a person met for the first time, who has no row yet."""

ENTERPRISE_CLOSED = "enterprise_closed"
LAST_UNIT_CLOSED = "last_unit_closed"
UNION_DISSOLVED = "union_dissolved"
COVERAGE_ENDED = "ended"
TRANSFER = "transfer"
RESERVED_REASONS = frozenset({ENTERPRISE_CLOSED, LAST_UNIT_CLOSED, UNION_DISSOLVED, TRANSFER})
"""Reasons that only the service itself gives: it looks at them again when the fact that led to them is corrected."""


@dataclass(frozen=True, slots=True)
class Dissolution:
    """A union's end: the fact `rank` of its stream, last stated by `event_id`."""

    on: date
    rank: int
    reason: str
    note_id: UUID | None = None
    event_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Union:
    """A union organisation, which exists from its approval on (Trade Union Law 2021, art. 12)."""

    id: UnionId
    kind: UnionKind
    seat_area: str
    founded_on: date
    name: str | None = None
    parent_union_id: UnionId | None = None
    dissolved: Dissolution | None = None


@dataclass(frozen=True, slots=True)
class CoverageFact:
    """One `coverage-started` or `coverage-ended` in force: fact `rank` of the enterprise's stream, last stated by `event_id`."""

    enterprise_id: EnterpriseId
    union_id: UnionId
    kind: UnionKind
    rank: int
    on: date
    started: bool
    reason: str | None = None
    note_id: UUID | None = None
    event_id: UUID | None = None


class Membership(msgspec.Struct, frozen=True):
    """One person at one enterprise and union, joined ≤ t < left. `joined_on` None: the joining was withdrawn."""

    id: MembershipId
    person: PersonNo
    enterprise_id: EnterpriseId
    union_id: UnionId
    joined_on: date | None
    joined_rank: int
    left_on: date | None = None
    left_rank: int | None = None

    def overlaps(self, start: date, end: date | None) -> bool:
        """Whether it shares a day with start ≤ t < end."""
        if self.joined_on is None or self.joined_on == self.left_on or start == end:
            return False
        return (end is None or self.joined_on < end) and (self.left_on is None or start < self.left_on)


class Joiner(msgspec.Struct, frozen=True):
    """A person who joins: the row's number or a provisional one, and the document: kind, normal number, newest hashes with kind and without."""

    person: PersonNo
    document_kind: str
    number: str
    hash: bytes
    number_hash: bytes

    def __repr__(self) -> str:
        return f"Joiner(person={self.person})"


@dataclass
class World(facts.World, Known):
    """The loaded part of the state, by id; `coverage` by enterprise, in order of (date, rank). Values are replaced, never changed."""

    unions: dict[UUID, Union] = field(default_factory=dict)
    coverage: dict[UUID, list[CoverageFact]] = field(default_factory=dict)
    memberships: dict[UUID, Membership] = field(default_factory=dict)
    of_person: dict[int, list[MembershipId]] = field(default_factory=dict)
    joiners: dict[tuple[str, str], Joiner] = field(default_factory=dict, repr=False)
    """{(kind, number) of the document as the caller sent it: who joins}"""
    etags: dict[UUID, str] = field(default_factory=dict)
    """{union or membership that a command changes: its ETag}, if a command comes with If-Match"""
    begun: dict[UUID, facts.Standing] = field(default_factory=dict)
    """{membership: the fact that began it}, as far as this transaction recorded or corrected it"""
    ended: dict[UUID, facts.Standing] = field(default_factory=dict)
    """{membership: the fact that ended it}, likewise"""
    stored: frozenset[UUID] = frozenset()
    """Memberships that have a row."""
    outdated: Mapping[int, Joiner] = field(default_factory=dict, repr=False)
    """{person found by an older hash key: who joins, with the newest hashes}"""
    numbers: Mapping[int, int] = field(default_factory=dict)
    """{provisional number of a person: that of the row written for him}"""
    touched_unions: set[UUID] = field(default_factory=set)
    touched_coverage: set[tuple[UUID, int]] = field(default_factory=set)
    """(enterprise, rank)"""
    touched_memberships: set[UUID] = field(default_factory=set)

    def union(self, union_id: UUID, field: str = "union_id") -> Union:
        """Raises UNKNOWN_UNION (422)."""
        found = self.unions.get(union_id)
        if found is None:
            raise Unprocessable("UNKNOWN_UNION", field=field, params={"union": str(union_id)})
        return found

    def membership(self, membership_id: UUID) -> Membership:
        """Raises UNKNOWN_MEMBER (404), also if the joining was withdrawn."""
        found = self.memberships.get(membership_id)
        if found is None or found.joined_on is None:
            raise NotFound("UNKNOWN_MEMBER", field="member_id", params={"member": str(membership_id)})
        return found

    def coverage_of(self, union_id: UUID) -> list[CoverageFact]:
        """The loaded coverage facts of one union over all its enterprises."""
        return [fact for facts in self.coverage.values() for fact in facts if fact.union_id == union_id]


def union_subject(union_id: UUID) -> str:
    """The stream of a union."""
    return f"union/{union_id}"


def enterprise_subject(enterprise_id: UUID) -> str:
    """The stream of an enterprise."""
    return f"enterprise/{enterprise_id}"
