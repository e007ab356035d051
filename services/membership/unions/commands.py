"""Commands about unions, checked in form. Dates lie between 1900-01-01 and today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from shared.contracts.membership import UnionKind
from shared.journal.reasons import Reason


@dataclass(frozen=True, slots=True)
class Found:
    """The next higher union approved a union that covers `enterprises`."""

    kind: UnionKind
    name: str | None
    parent_union_id: UUID | None
    seat_area: str
    approved_on: date
    enterprises: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Cover:
    """The union begins (`started`) or ceases to cover the enterprise."""

    union_id: UUID
    enterprise_id: UUID
    on: date
    started: bool


@dataclass(frozen=True, slots=True)
class Dissolve:
    """The union ends."""

    union_id: UUID
    on: date
    reason: Reason
