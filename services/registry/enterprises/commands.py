"""What a caller asks for, its form checked already; dates may still be out of range."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeAlias
from uuid import UUID

from shared.journal.reasons import Reason


@dataclass(frozen=True, slots=True)
class RegisterEnterprise:
    """An enterprise settled in a park."""

    enterprise_id: UUID
    name: str
    credit_code: str | None
    park: str
    industry: str | None
    ownership: str | None
    settled_on: date


@dataclass(frozen=True, slots=True)
class ReportHeadcount:
    """So many workers on that day."""

    enterprise_id: UUID
    on: date
    workers: int


@dataclass(frozen=True, slots=True)
class Move:
    """The enterprise goes to another park."""

    enterprise_id: UUID
    on: date
    park: str


@dataclass(frozen=True, slots=True)
class Reclassify:
    """Industry, ownership or yearly revenue from that day on; None stays as it was."""

    enterprise_id: UUID
    on: date
    industry: str | None
    ownership: str | None
    revenue_fen: int | None


@dataclass(frozen=True, slots=True)
class Close:
    """The enterprise no longer operates from that day on."""

    enterprise_id: UUID
    on: date
    reason: Reason


Change: TypeAlias = ReportHeadcount | Move | Reclassify | Close
"""A command about an enterprise that exists."""
