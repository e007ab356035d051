"""The loaded part of the registry's state, which decisions read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.registry.areas.area import Area
from services.registry.enterprises.enterprise import Enterprise
from shared.contracts.registry import AreaKind
from shared.http.auth import Areas
from shared.problems.errors import NotFound, Unprocessable
from shared.writing import facts


@dataclass
class World(facts.World):
    """Whole streams, and what must be unique over all streams. `touched_…`: rows to write."""

    enterprises: dict[UUID, Enterprise] = field(default_factory=dict)
    areas: dict[str, Area] = field(default_factory=dict)
    codes: dict[str, UUID] = field(default_factory=dict)
    """{credit code or registration number: enterprise}"""
    namesakes: dict[tuple[str, str], frozenset[UUID]] = field(default_factory=dict)
    """{(park, name key): enterprises}"""
    in_use: set[str] = field(default_factory=set)
    """Areas that facts in the journal name."""
    touched_areas: set[str] = field(default_factory=set)
    touched_enterprises: set[UUID] = field(default_factory=set)

    def enterprise(self, enterprise_id: UUID, field: str = "enterprise_id") -> Enterprise:
        """Raises UNKNOWN_ENTERPRISE (404), also if the registration was withdrawn."""
        found = self.enterprises.get(enterprise_id)
        if found is None:
            raise NotFound("UNKNOWN_ENTERPRISE", field=field, params={"enterprise": str(enterprise_id)})
        return found

    def park(self, code: str, field: str = "park") -> Area:
        """Raises UNKNOWN_PARK, NOT_A_PARK (422)."""
        found = self.areas.get(code)
        if found is None:
            raise Unprocessable("UNKNOWN_PARK", field=field, params={"park": code})
        if found.kind is not AreaKind.PARK:
            raise Unprocessable("NOT_A_PARK", field=field, params={"park": code})
        return found

    def require_granted(self, areas: Areas, code: str | None, field: str) -> None:
        """Raises AREA_NOT_GRANTED (403). An unknown area lies in nothing but itself; None, above every root, needs all areas."""
        known = self.areas.get(code) if code is not None else None
        path: Sequence[str] | None = known.path if known else None if code is None else (code,)
        areas.require(code, path, field)
