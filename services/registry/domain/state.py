"""What the rules look at: the facts of each stream as they hold now, the tree of areas, and what must be unique over all streams.

A `World` holds the part of the service's state that some commands refer to, loaded under their locks. Decisions only read it;
`evolve.take` is the one place that changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias, TypeVar
from uuid import UUID

from shared.contracts import Event
from shared.contracts.registry import (
    AreaKind,
    EnterpriseClosed,
    EnterpriseMoved,
    EnterpriseReclassified,
    EnterpriseRegistered,
    HeadcountReported,
)
from shared.problems.errors import Conflict, NotFound, Unprocessable

E = TypeVar("E", bound=Event)

Place: TypeAlias = "tuple[date, int]"
"""(date, rank)"""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact about to be said on the stream `subject`, which counts from `on`."""

    subject: str
    data: Event
    on: date


@dataclass(frozen=True, slots=True)
class Standing:
    """Fact number `rank` of a stream as it holds now; `data` None: withdrawn. `said_by`: the original, then each correction.

    An event that this transaction says has no id yet: None.
    """

    rank: int
    type: str
    on: date
    data: Event | None
    said_by: tuple[UUID | None, ...]

    def place(self) -> Place:
        """Where it stands among the facts of its stream: the last one wins."""
        return self.on, self.rank


@dataclass(frozen=True, slots=True)
class History:
    """A stream: how many events it has, and its facts by rank. `unreadable`: ranks whose events this release does not understand."""

    subject: str
    sequence: int = 0
    facts: Mapping[int, Standing] = field(default_factory=dict)
    unreadable: frozenset[int] = frozenset()

    @property
    def etag(self) -> str:
        """What If-Match compares: as many events, the same resource."""
        return f'"{self.sequence}"'

    def require_readable(self) -> None:
        """Nothing is decided on a stream that is understood in part. Raises STREAM_UNREADABLE (409)."""
        if self.unreadable:
            raise Conflict("STREAM_UNREADABLE", params={"sequence": min(self.unreadable)})

    def holding(self, kind: type[E]) -> list[tuple[Standing, E]]:
        """The facts of one kind that hold, in the order in which the last one wins: by date, then by rank."""
        found = [(fact, fact.data) for fact in self.facts.values() if isinstance(fact.data, kind)]
        return sorted(found, key=lambda pair: pair[0].place())


@dataclass(frozen=True, slots=True)
class Area:
    """A division or park; `path` is its code and those of all that it lies in, inside out."""

    code: str
    name: str
    kind: AreaKind
    parent: str | None
    level: bool
    valid_from: date
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Enterprise:
    """What an enterprise's facts come to by their last dates. Operating from `settled_on` until `closed_on`."""

    id: UUID
    name: str
    credit_code: str | None
    park: str
    district: str
    industry: str | None
    ownership: str | None
    settled_on: date
    closed_on: date | None
    closed_reason: str | None
    workers: int | None
    workers_on: date | None
    revenue_fen: int | None
    size: str | None
    size_rule: str | None


def enterprise_of(history: History, before: Place | None = None) -> Enterprise | None:
    """The enterprise that a stream tells of, by the facts `before` a place or by all; None if its registration was withdrawn.

    The last one wins, by (date, rank). Before it settled, an enterprise is what its registration says.
    """
    registered = history.holding(EnterpriseRegistered)
    if not registered:
        return None
    settled, said = registered[-1]
    park, district, industry, ownership = said.park, said.district, said.industry, said.ownership
    closed_on = closed_reason = workers = workers_on = revenue_fen = size = size_rule = None
    for fact in sorted(history.facts.values(), key=Standing.place):
        if before is not None and fact.place() >= before:
            break
        match fact.data:
            case EnterpriseRegistered() as data:
                park, district, industry, ownership = data.park, data.district, data.industry or industry, data.ownership or ownership
            case EnterpriseMoved() as data:
                park, district = data.park, data.district
            case HeadcountReported() as data:
                workers, workers_on, size, size_rule = data.workers, fact.on, data.size, data.size_rule
            case EnterpriseReclassified() as data:
                industry, ownership = data.industry or industry, data.ownership or ownership
                revenue_fen = revenue_fen if data.revenue_fen is None else data.revenue_fen
                size, size_rule = data.size, data.size_rule
            case EnterpriseClosed() as data:
                closed_on, closed_reason = fact.on, data.reason
    return Enterprise(
        id=said.enterprise_id,
        name=said.name,
        credit_code=said.credit_code,
        park=park,
        district=district,
        industry=industry,
        ownership=ownership,
        settled_on=settled.on,
        closed_on=closed_on,
        closed_reason=closed_reason,
        workers=workers,
        workers_on=workers_on,
        revenue_fen=revenue_fen,
        size=size,
        size_rule=size_rule,
    )


@dataclass(slots=True)
class World:
    """The loaded part of the state.

    `credit_codes` = {code: enterprise}, `namesakes` = {(park, name key): enterprises}, `in_use` = areas that journalled facts name.
    What is touched is to be written.
    """

    histories: dict[str, History] = field(default_factory=dict)
    enterprises: dict[UUID, Enterprise] = field(default_factory=dict)
    areas: dict[str, Area] = field(default_factory=dict)
    credit_codes: dict[str, UUID] = field(default_factory=dict)
    namesakes: dict[tuple[str, str], set[UUID]] = field(default_factory=dict)
    in_use: set[str] = field(default_factory=set)
    touched_areas: set[str] = field(default_factory=set)
    touched_enterprises: set[UUID] = field(default_factory=set)

    def enterprise(self, enterprise_id: UUID, field: str = "enterprise_id") -> Enterprise:
        """Raises UNKNOWN_ENTERPRISE (404), also if the registration was withdrawn."""
        found = self.enterprises.get(enterprise_id)
        if found is None:
            raise NotFound("UNKNOWN_ENTERPRISE", field=field, params={"enterprise": str(enterprise_id)})
        return found

    def park(self, code: str, field: str = "park") -> Area:
        """Raises UNKNOWN_PARK, NOT_A_PARK (422)."""
        found = self.areas.get(code)
        if found is None:
            raise Unprocessable("UNKNOWN_PARK", field=field, params={"park": code})
        if found.kind is not AreaKind.PARK:
            raise Unprocessable("NOT_A_PARK", field=field, params={"park": code})
        return found

    def history(self, subject: str) -> History:
        """The stream, empty if nothing was said on it yet."""
        return self.histories.get(subject) or History(subject)


def enterprise_subject(enterprise_id: UUID) -> str:
    """The stream of an enterprise."""
    return f"enterprise/{enterprise_id}"


def area_subject(code: str) -> str:
    """The stream of an area."""
    return f"area/{code}"
