"""Commands about unions, checked in form. Dates lie between 1900-01-01 and today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from shared.contracts.membership import UnionKind
from shared.journal.reasons import Reason


@dataclass(frozen=True, slots=True)
class Found:
    """The next higher union approved a union that covers `enterprises`; with `dissolved_on` and `dissolved_reason` it existed until then."""

    kind: UnionKind
    name: str | None
    parent_union_id: UUID | None
    seat_area: str
    approved_on: date
    enterprises: tuple[UUID, ...]
    dissolved_on: date | None = None
    dissolved_reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Cover:
    """The union begins (`started`) or ceases to cover the enterprise; with `ended_on` it covered it from `on` until then."""

    union_id: UUID
    enterprise_id: UUID
    on: date
    started: bool
    ended_on: date | None = None


@dataclass(frozen=True, slots=True)
class Dissolve:
    """The union ends."""

    union_id: UUID
    on: date
    reason: Reason
