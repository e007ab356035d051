"""An area, and the command that registers one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from shared.contracts.registry import AreaKind


@dataclass(frozen=True, slots=True)
class Area:
    """A division or park; `path` is its own code and those of all that it lies in, inside out."""

    code: str
    name: str
    kind: AreaKind
    parent: str | None
    level: bool
    valid_from: date
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegisterArea:
    """A division or park exists; `valid_from` None: from the earliest date on."""

    code: str
    name: str
    kind: AreaKind
    parent: str | None
    valid_from: date | None


def area_subject(code: str) -> str:
    """The stream of an area."""
    return f"area/{code}"
