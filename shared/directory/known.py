"""The loaded part of the directory, and the checks that decisions make against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NewType
from uuid import UUID

from shared.http.auth import Areas
from shared.problems.errors import Conflict, Unprocessable

EnterpriseId = NewType("EnterpriseId", UUID)


@dataclass(frozen=True, slots=True)
class Enterprise:
    """An enterprise as the registry's facts have it: `park` is its last one, it operates `settled_on` ≤ t < `closed_on`.

    `closing` is the id of the registry's last event about the closure: the `cause_id` of what follows from it.
    """

    id: EnterpriseId
    park: str
    settled_on: date
    closed_on: date | None = None
    closing: UUID | None = None


@dataclass(slots=True)
class Known:
    """Base of a service's world: what is loaded of the directory.

    `placed` = {enterprise: (from this day on, park), in order}, if grants of corrections need it.
    `areas` = {code: its path, the code itself first}. `expected` = unknown enterprises whose event may still be unread here;
    `areas_may_follow`: the same of areas, for all of them at once.
    """

    enterprises: dict[UUID, Enterprise] = field(default_factory=dict)
    placed: dict[UUID, list[tuple[date, str]]] = field(default_factory=dict)
    areas: dict[str, list[str]] = field(default_factory=dict)
    expected: set[UUID] = field(default_factory=set)
    areas_may_follow: bool = False

    def enterprise(self, enterprise_id: UUID, field: str = "enterprise_id") -> Enterprise:
        """Raises NOT_YET_KNOWN (409) while the registry's event may still be unread here, UNKNOWN_ENTERPRISE (422) otherwise."""
        found = self.enterprises.get(enterprise_id)
        if found is not None:
            return found
        if enterprise_id in self.expected:
            raise Conflict("NOT_YET_KNOWN", field=field, params={"id": str(enterprise_id)}, headers={"Retry-After": "1"})
        raise Unprocessable("UNKNOWN_ENTERPRISE", field=field, params={"enterprise": str(enterprise_id)})

    def require_area(self, code: str, field: str) -> None:
        """Raises NOT_YET_KNOWN (409) while the registry's events may still be unread here, UNKNOWN_AREA (422) otherwise."""
        if code in self.areas:
            return
        if self.areas_may_follow:
            raise Conflict("NOT_YET_KNOWN", field=field, params={"id": code}, headers={"Retry-After": "1"})
        raise Unprocessable("UNKNOWN_AREA", field=field, params={"area": code})

    def require_granted(self, areas: Areas, code: str | None, field: str) -> None:
        """Raises AREA_NOT_GRANTED (403) unless `code` lies in the caller's `areas`.

        An unknown area lies in nothing but itself; None, above every root, needs all areas.
        """
        path: Sequence[str] | None = None if code is None else self.areas.get(code, (code,))
        areas.require(code, path, field)
