"""What a caller may ask for, checked in form already; dates lie between 1900-01-01 and today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias
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


@dataclass(frozen=True, slots=True)
class Join:
    """A person becomes a member. `document` never leaves this service in the clear."""

    union_id: UUID
    enterprise_id: UUID
    document_kind: str
    document_number: str
    joined_on: date

    def __repr__(self) -> str:
        return f"Join(union_id={self.union_id}, enterprise_id={self.enterprise_id})"


@dataclass(frozen=True, slots=True)
class Leave:
    """A member is one no longer."""

    membership_id: UUID
    on: date
    reason: Reason


@dataclass(frozen=True, slots=True)
class Transfer:
    """A member goes to another union or enterprise (会籍接转): where the labour relation is, there the membership is."""

    membership_id: UUID
    on: date
    union_id: UUID
    enterprise_id: UUID


@dataclass(frozen=True, slots=True)
class Correct:
    """An earlier fact was wrong. `data` holds the fields that change, by the names of the command; None withdraws the fact."""

    corrects: UUID
    reason: Reason
    data: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The events `first` to `last` of a stream were never facts."""

    subject: str
    first: int
    last: int
    reason: Reason


Command: TypeAlias = Found | Cover | Dissolve | Join | Leave | Transfer | Correct | Withdraw
