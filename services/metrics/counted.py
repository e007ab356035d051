"""What each type of fact is to the figures: one row for every contract.

The fold, the explanations, the changes, the lists of recent facts and the timelines are driven by `ROWS`. A fact that counts has a row
`Attribute`, `Members` or `Matter`; `NotCounted` is kept for the timeline of its subject and changes no figure (docs/how-to/add-a-fact.md).
What is kept of those that count is in `attributes` and `matters`; of the others, beside the rows. No field may identify a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import NoneType
from typing import Any, TypeAlias, TypeGuard, assert_never

import msgspec

from services.metrics import attributes, matters
from services.metrics.attributes import AttributeContent, Founding, InPark
from services.metrics.content import Uncounted
from services.metrics.matters import MatterContent
from shared.contracts import TYPES, Event, membership, registry, streams
from shared.contracts.cases import agreements, aid, assessments, rights, rules


class Visit(Uncounted, frozen=True):
    purpose: str
    outcome: str | None = None


class Aspect(Enum):
    """The part of the figures that a fact changes; an explanation lists the facts of the aspects of its measure."""

    LIFE = auto()
    CLASS = auto()
    HEADCOUNT = auto()
    COVERAGE = auto()
    MEMBERS = auto()
    UNION = auto()
    CASES = auto()
    AGREEMENTS = auto()
    AID = auto()


@dataclass(frozen=True, slots=True)
class Attribute:
    """Shapes the step function. `number`: the field that lists of recent facts show with its previous value."""

    content: type[AttributeContent]
    aspect: Aspect
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Members:
    """Adds `each` to the members from its business date on; nothing else of it is kept."""

    each: int
    aspect: Aspect = Aspect.MEMBERS


@dataclass(frozen=True, slots=True)
class Matter:
    """Shapes the tallies of its subject (`folding.tallies`), and no figure of coverage."""

    content: type[MatterContent]
    aspect: Aspect


@dataclass(frozen=True, slots=True)
class NotCounted:
    """Is kept for the timeline and changes no figure."""

    content: type[Uncounted]


@dataclass(frozen=True, slots=True)
class Area:
    """Is a version of a division or park, on a stream `area/<code>`."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Replaces or removes one earlier fact of its stream."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Removes earlier facts of its stream."""


@dataclass(frozen=True, slots=True)
class DayClosing:
    """Is for the reader alone: it closes known days."""


Row: TypeAlias = Attribute | Members | Matter | NotCounted | Area | Correction | Withdrawal | DayClosing

ROWS: Mapping[type[Event], Row] = {
    registry.AreaRegistered: Area(),
    registry.EnterpriseRegistered: Attribute(attributes.Registration, Aspect.LIFE),
    registry.HeadcountReported: Attribute(attributes.Headcount, Aspect.HEADCOUNT, number="workers"),
    registry.EnterpriseMoved: Attribute(attributes.Move, Aspect.LIFE),
    registry.EnterpriseReclassified: Attribute(attributes.Classification, Aspect.CLASS),
    registry.EnterpriseClosed: Attribute(attributes.Closure, Aspect.LIFE),
    membership.CoverageStarted: Attribute(attributes.CoverageStart, Aspect.COVERAGE),
    membership.CoverageEnded: Attribute(attributes.CoverageEnd, Aspect.COVERAGE),
    membership.MemberJoined: Members(+1),
    membership.MemberLeft: Members(-1),
    membership.UnionFounded: Attribute(attributes.Founding, Aspect.UNION),
    membership.UnionDissolved: Attribute(attributes.Dissolution, Aspect.UNION),
    membership.VisitMade: NotCounted(Visit),
    rights.CaseOpened: Matter(matters.CaseOpening, Aspect.CASES),
    rights.CaseAssigned: NotCounted(matters.CaseAssigning),
    rights.CaseProgressed: Matter(matters.CaseStep, Aspect.CASES),
    rights.CaseClosed: Matter(matters.CaseClosing, Aspect.CASES),
    rights.CaseReopened: Matter(matters.CaseReopening, Aspect.CASES),
    rules.ClockOverdue: Matter(matters.Overdue, Aspect.CASES),
    agreements.NegotiationProgressed: Matter(matters.Negotiating, Aspect.AGREEMENTS),
    agreements.ContractSigned: NotCounted(matters.ContractStage),
    agreements.ContractSubmitted: NotCounted(matters.ContractStage),
    agreements.ContractReceived: NotCounted(matters.ContractStage),
    agreements.ContractObjected: NotCounted(matters.ContractStage),
    agreements.ContractPublished: NotCounted(matters.ContractStage),
    agreements.ContractEffective: Matter(matters.ContractInEffect, Aspect.AGREEMENTS),
    agreements.ContractTerminated: Matter(matters.ContractOver, Aspect.AGREEMENTS),
    agreements.ContractExpired: Matter(matters.ContractOver, Aspect.AGREEMENTS),
    agreements.PactSigned: NotCounted(matters.Pact),
    agreements.TripartiteHeld: NotCounted(matters.Said),
    agreements.CongressHeld: Matter(matters.Congress, Aspect.AGREEMENTS),
    assessments.AssessmentMade: Matter(matters.Assessment, Aspect.AGREEMENTS),
    assessments.AwardGranted: NotCounted(matters.Award),
    assessments.AwardExpired: NotCounted(matters.AwardOver),
    aid.HardshipClassified: Matter(matters.Hardship, Aspect.AID),
    aid.AidPaid: Matter(matters.Aid, Aspect.AID),
    aid.HardshipEnded: Matter(matters.HardshipOver, Aspect.AID),
    aid.EmploymentHelped: Matter(matters.Help, Aspect.AID),
    aid.EmploymentHelpEnded: NotCounted(matters.Said),
    rules.RuleSet: NotCounted(matters.Said),
    rules.CalendarSet: NotCounted(matters.Said),
    streams.FactCorrected: Correction(),
    streams.EventWithdrawn: Withdrawal(),
    streams.DayClosed: DayClosing(),
}


def kind_of(type_name: str) -> str:
    """`headcount-reported` of `parkunion.headcount-reported.v1`."""
    return type_name.split(".")[1]


BY_KIND: Mapping[str, Row] = {kind_of(name): ROWS[contract] for name, contract in TYPES.items() if contract in ROWS}
"""{kind: row}"""

FIELDS: Mapping[str, tuple[str, ...]] = {
    kind: () if isinstance(row, Members) else row.content.__struct_fields__
    for kind, row in BY_KIND.items()
    if isinstance(row, Attribute | Members | Matter | NotCounted)
}
"""{kind of fact that is kept with its subject, not as a version of an area: the fields that are kept of it}"""

MEMBERS: Mapping[str, int] = {kind: row.each for kind, row in BY_KIND.items() if isinstance(row, Members)}
"""{kind: what one such fact adds to the members}"""


def kinds_of(*aspects: Aspect) -> tuple[str, ...]:
    """The kinds of counted facts of some aspects."""
    return tuple(kind for kind, row in BY_KIND.items() if isinstance(row, Attribute | Members | Matter) and row.aspect in aspects)


Kept: TypeAlias = Members | AttributeContent | MatterContent | Uncounted
"""What is kept of a fact about an enterprise or a union: fields, or, of a member, only what it adds."""


_ATTRIBUTES = frozenset(row.content for row in BY_KIND.values() if isinstance(row, Attribute))
_MATTERS = frozenset(row.content for row in BY_KIND.values() if isinstance(row, Matter))
_COUNTED = _ATTRIBUTES | _MATTERS
_IN_PARK = frozenset(content for content in _ATTRIBUTES if issubclass(content, InPark))


def counts(kept: Kept) -> bool:
    """Whether a fact changes figures."""
    return type(kept) is Members or type(kept) in _COUNTED


def is_attribute(kept: Kept) -> TypeGuard[AttributeContent]:
    """Whether a fact shapes the step function. By its type: `isinstance` costs a microsecond for a struct of another class."""
    return type(kept) in _ATTRIBUTES


def is_matter(kept: Kept) -> TypeGuard[MatterContent]:
    """Whether a fact shapes the tallies."""
    return type(kept) in _MATTERS


def park_of(kept: Kept) -> str | None:
    """The park that a fact names; None for one that names none."""
    park: str | None = getattr(kept, "park", None) if type(kept) in _IN_PARK else None
    return park


def place_of(kept: Kept) -> str | None:
    """The park that a fact names, or the area of the seat of a union that it founds."""
    return kept.seat_area if type(kept) is Founding else park_of(kept)


_CONTENTS: Mapping[type[Event], type[AttributeContent | MatterContent | Uncounted]] = {
    contract: row.content for contract, row in ROWS.items() if isinstance(row, Attribute | Matter | NotCounted)
}
_PLAIN = frozenset((str, int, bool, NoneType))
"""The types of values that JSON has as they are."""


def kept_of(contract: Event) -> Kept | None:
    """What is kept of a fact; None: it is none about an enterprise or a union."""
    if (content := _CONTENTS.get(type(contract))) is not None:
        values = [getattr(contract, name) for name in content.__struct_fields__]
        return content(*[value if type(value) in _PLAIN else msgspec.to_builtins(value) for value in values])
    row = ROWS[type(contract)]
    match row:
        case Members():
            return row
        case Area() | Correction() | Withdrawal() | DayClosing():
            return None
        case Attribute() | Matter() | NotCounted():
            raise AssertionError(f"{contract} has a content")
        case _:
            assert_never(row)


_read_kept = {
    kind: msgspec.json.Decoder(row.content).decode for kind, row in BY_KIND.items() if isinstance(row, Attribute | Matter | NotCounted)
}


def kept_of_texts(kind: str, texts: Iterable[bytes]) -> list[Kept]:
    """As `kept_of`, of facts of a kind from the JSON of their `data`, which their contract accepts: for a third of the time. `kind` must be one of
    FIELDS without members."""
    return list(map(_read_kept[kind], texts))


def kept_from(kind: str, says: Mapping[str, Any] | None) -> Kept:
    """As `kept_of`, from the JSON of `facts.says`. `kind` must be one of FIELDS."""
    row = BY_KIND[kind]
    if isinstance(row, Members):
        return row
    assert isinstance(row, Attribute | Matter | NotCounted), kind
    return msgspec.convert(says or {}, row.content)


def says_of(kept: Kept) -> dict[str, Any]:
    """The JSON of `facts.says`."""
    if type(kept) is Members:
        return {}
    says: dict[str, Any] = msgspec.to_builtins(kept)
    return says
