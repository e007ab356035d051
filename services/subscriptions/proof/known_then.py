"""What was granted, asked for and known of the areas at a revision: the second statement's own reading of the versions. Pure.

Written apart from `matching/`, which is what an audit checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

EVERYWHERE = "*"


@dataclass(frozen=True, slots=True)
class AreaVersion:
    """A row of `area_versions`."""

    code: str
    revision: int
    parent: str | None
    present: bool


@dataclass(frozen=True, slots=True)
class GrantVersion:
    """A row of `grant_versions`."""

    grant: UUID
    revision: int
    revoked: bool
    areas: frozenset[str]
    types: frozenset[str]
    fields: Mapping[str, Sequence[str]]
    not_before: datetime | None
    not_after: datetime | None

    def valid(self, at: datetime) -> bool:
        """Whether it grants anything at an instant."""
        begun = self.not_before is None or self.not_before <= at
        return not self.revoked and begun and not (self.not_after is not None and self.not_after <= at)


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A row of `subscriptions`. `types` None: all of the grant's."""

    id: UUID
    grant: UUID
    types: frozenset[str] | None
    filter: Mapping[str, Any]
    opened: int
    ended: int | None


@dataclass(frozen=True, slots=True)
class Asking:
    """A subscription that is open, under its grant as it was."""

    id: UUID
    grant: GrantVersion
    types: frozenset[str]
    areas: frozenset[str] | None
    industries: tuple[str, ...]
    min_workers: int | None


@dataclass(slots=True)
class Then:
    """Everything at one revision: `parents` = {code: the area around it}, and the open subscriptions by id."""

    parents: Mapping[str, str | None]
    asking: Mapping[UUID, Asking]
    _around: dict[str, frozenset[str]] = field(default_factory=dict)
    _found: dict[tuple[str, str], list[Asking]] = field(default_factory=dict)

    def around(self, code: str) -> frozenset[str]:
        """An area and all around it up to its root; empty if one of them is unknown."""
        if code not in self._around:
            self._around[code] = self._climb(code)
        return self._around[code]

    def _climb(self, code: str) -> frozenset[str]:
        found: set[str] = set()
        at: str | None = code
        while at is not None:
            if at in found or at not in self.parents:
                return frozenset()
            found.add(at)
            at = self.parents[at]
        return frozenset(found)

    def inside(self, place: str, asking: Asking) -> bool:
        """Whether a place lies in the areas that are granted, and in those that are asked for."""
        around = self.around(place)
        if not around:
            return False
        return all(areas is None or EVERYWHERE in areas or around & areas for areas in (asking.grant.areas, asking.areas))

    def wanted(self, type_name: str) -> bool:
        """Whether anybody asks for a type at all."""
        return any(type_name in one.types for one in self.asking.values())

    def at_place(self, type_name: str, place: str) -> list[Asking]:
        """Who asks for a type at a place, and is granted it."""
        key = (type_name, place)
        if key not in self._found:
            self._found[key] = [one for one in self.asking.values() if type_name in one.types and self.inside(place, one)]
        return self._found[key]


class Versions:
    """All versions of everything; `at(revision)` puts together what held."""

    def __init__(self, areas: Iterable[AreaVersion], grants: Iterable[GrantVersion], subscriptions: Iterable[SubscriptionRow]) -> None:
        self._areas = sorted(areas, key=lambda one: one.revision)
        self._grants = sorted(grants, key=lambda one: one.revision)
        self._subscriptions = list(subscriptions)
        self._last: tuple[int, Then] | None = None

    def at(self, revision: int) -> Then:
        """What held at a revision."""
        if self._last is None or self._last[0] != revision:
            self._last = revision, self._put_together(revision)
        return self._last[1]

    def fields_since(self, grant: UUID, revision: int, type_name: str) -> list[Sequence[str]]:
        """The fields of a type that a grant has shown after a revision, as often as it was narrowed."""
        return [one.fields.get(type_name, ()) for one in self._grants if one.grant == grant and one.revision > revision and not one.revoked]

    def _put_together(self, revision: int) -> Then:
        areas = {one.code: one for one in self._areas if one.revision <= revision}
        grants = {one.grant: one for one in self._grants if one.revision <= revision}
        asking = {}
        for row in self._subscriptions:
            open_ = row.opened <= revision and (row.ended is None or revision < row.ended)
            grant = grants.get(row.grant)
            if open_ and grant is not None and not grant.revoked:
                asking[row.id] = _asking(row, grant)
        return Then({one.code: one.parent for one in areas.values() if one.present}, asking)


def _asking(row: SubscriptionRow, grant: GrantVersion) -> Asking:
    areas, industries = row.filter.get("areas"), row.filter.get("industries")
    return Asking(
        row.id,
        grant,
        grant.types if row.types is None else grant.types & row.types,
        frozenset(areas) if areas else None,
        tuple(industries or ()),
        row.filter.get("min_workers"),
    )
