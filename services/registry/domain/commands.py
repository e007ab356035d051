"""What a caller may ask for, checked in form already; dates still may be too early or too late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias
from uuid import UUID

from shared.contracts.registry import AreaKind
from shared.journal.reasons import Reason


@dataclass(frozen=True, slots=True)
class RegisterArea:
    """A division or park exists; `valid_from` None: since ever."""

    code: str
    name: str
    kind: AreaKind
    parent: str | None
    valid_from: date | None


@dataclass(frozen=True, slots=True)
class RegisterEnterprise:
    """An enterprise settled in a park."""

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


Command: TypeAlias = RegisterArea | RegisterEnterprise | ReportHeadcount | Move | Reclassify | Close | Correct | Withdraw
