"""What is kept of the facts that shape the step function of an enterprise or a union (`folding.coverage`).

The order of the fields is that of the stored states, and no field may identify a person. A field that is new, gone or renamed needs a new
fold_version (docs/how-to/change-a-rule.md).
"""

from __future__ import annotations

from typing import TypeAlias

from services.metrics.content import Content


class InPark(Content, frozen=True):
    """A fact that says in which park an enterprise is."""

    park: str


class Registration(InPark, frozen=True):
    industry: str | None = None
    ownership: str | None = None


class Headcount(Content, frozen=True):
    workers: int
    size: str | None = None


class Move(InPark, frozen=True):
    pass


class Classification(Content, frozen=True):
    industry: str | None = None
    ownership: str | None = None
    size: str | None = None


class Closure(Content, frozen=True):
    pass


class CoverageStart(Content, frozen=True):
    union_id: str
    kind: str


class CoverageEnd(Content, frozen=True):
    union_id: str
    kind: str


class Founding(Content, frozen=True):
    seat_area: str


class Dissolution(Content, frozen=True):
    pass


AttributeContent: TypeAlias = (
    Registration | Headcount | Move | Classification | Closure | CoverageStart | CoverageEnd | Founding | Dissolution
)
"""The facts that shape the step function of their subject (`folding.coverage`)."""
