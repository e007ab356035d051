"""Aid: hardship files, what they are decided to be, payments; employment help. No bureau is granted any of them.

Persons and money of households stay in the service's own tables; the streams carry classes and places alone.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from shared.contracts.envelope import Event


class HardshipFact(Event, frozen=True, kw_only=True):
    """Base of the facts about a hardship file. Subject `hardship/<hardship_id>`. `area`: the division or park that keeps the file."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    hardship_id: UUID
    area: str


class HardshipClassified(HardshipFact, frozen=True, kw_only=True):
    """A household was decided on `occurredon` to be `classification`: deep, relative, accidental or none.

    `review`: a later decision on the same file. `shock`: the code of a sudden event. `reason`: why there is no class (`NO_RULE`).
    `rule_version`: of the table of place and date that decided it.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    classification: str
    review: bool = False
    shock: str | None = None
    reason: str | None = None
    rule_version: str | None = None


class AidPaid(HardshipFact, frozen=True, kw_only=True):
    """`amount_fen` (fen) was paid on `occurredon` from the fund `fund`, a code."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    amount_fen: int
    fund: str


class HardshipEnded(HardshipFact, frozen=True, kw_only=True):
    """The file ended on `occurredon`. `reason` is a code."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    reason: str
    note_id: UUID | None = None


class EmploymentHelped(Event, frozen=True, kw_only=True):
    """A person was helped on `occurredon`: training, placement, startup guidance. Subject `help/<help_id>`.

    `area` None: it was said by the whole city's office.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    help_id: UUID
    kind: str
    area: str | None = None


class EmploymentHelpEnded(Event, frozen=True, kw_only=True):
    """The help ended on `occurredon` with `result`, a code. Subject `help/<help_id>`."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    help_id: UUID
    kind: str
    result: str
    area: str | None = None


TYPES: dict[str, type[Event]] = {
    "parkunion.hardship-classified.v1": HardshipClassified,
    "parkunion.aid-paid.v1": AidPaid,
    "parkunion.hardship-ended.v1": HardshipEnded,
    "parkunion.employment-helped.v1": EmploymentHelped,
    "parkunion.employment-help-ended.v1": EmploymentHelpEnded,
}
