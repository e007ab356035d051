"""Commands about members, checked in form. Dates lie between 1900-01-01 and today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from shared.journal.reasons import Reason


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
