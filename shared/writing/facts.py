"""The values of writing: a fact to record, a fact as it stands, a stream, the world, a decision, a correction, a withdrawal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, Self, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from shared.contracts import Event, plain
from shared.contracts.codes import FOLLOWING
from shared.contracts.ids import uuid7
from shared.contracts.streams import Placed
from shared.journal.reasons import Reason
from shared.problems.errors import Conflict, Notice

E = TypeVar("E", bound=Event)


class Fact(msgspec.Struct, frozen=True, eq=False):
    """A fact to record on the stream `subject`; its business date is `on`.

    `cause_id` is the event that caused it. `private` is what the state needs and the event must not carry, such as a person. `event_id` is
    that of its event, so that a later fact of the same transaction can name it.
    """

    subject: str
    data: Event
    on: date
    cause_id: UUID | None = None
    private: Any = None
    event_id: UUID = msgspec.field(default_factory=uuid7)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fact) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash((self.subject, self.on))

    def _content(self) -> tuple[Any, ...]:
        """Without the id, which says nothing of the fact."""
        return self.subject, self.data, self.on, self.cause_id, self.private


class Standing(msgspec.Struct, frozen=True):
    """Fact number `rank` of a stream as it holds now. `data` None: withdrawn, or not readable.

    `event_id` is the last event that states it (the original, a correction or a withdrawal), None: it is not known.
    `first_id` is the original event. `corrected`: a correction or withdrawal named it. `content`: its data as the journal has it.
    `also`: events that stated it before corrections that changed nothing of what was entered; a correction may name them, too.
    """

    subject: str
    rank: int
    type: str
    on: date
    data: Event | None
    event_id: UUID | None
    first_id: UUID | None = None
    corrected: bool = False
    readable: bool = True
    content: Mapping[str, Any] | None = None
    also: frozenset[UUID] = frozenset()

    def order(self) -> tuple[date, int]:
        """(date, rank): of facts about the same attribute, the last in this order holds."""
        return self.on, self.rank

    def named_by(self, reason: str) -> frozenset[UUID]:
        """`also` after a correction with this reason."""
        return self.also | {self.event_id} if reason in FOLLOWING and self.event_id else frozenset()

    def placed(self) -> Placed:
        """Date and content, as a correction carries them."""
        assert self.data is not None
        return Placed(self.on, plain(self.data) if self.content is None else dict(self.content))


@dataclass(frozen=True, slots=True)
class History:
    """A stream: the sequence of its last event, and its facts by rank. A service that keeps state tables loads only the facts it needs."""

    subject: str
    sequence: int = 0
    facts: Mapping[int, Standing] = field(default_factory=dict)
    unreadable: frozenset[int] = frozenset()
    """Ranks of events that this release cannot read and that are not withdrawn."""

    @property
    def etag(self) -> str:
        """An ETag of a resource whose stream holds nothing else: it changes with every event."""
        return f'"{self.sequence}"'

    def holding(self, kind: type[E]) -> list[tuple[Standing, E]]:
        """The facts of one kind that hold, in order of (date, rank)."""
        found = [(fact, fact.data) for fact in self.facts.values() if isinstance(fact.data, kind)]
        return sorted(found, key=lambda pair: pair[0].order())

    def with_event(self, standing: Standing | None = None) -> History:
        """The stream with one more event, after which `standing` holds."""
        facts = self.facts if standing is None else {**self.facts, standing.rank: standing}
        return History(self.subject, self.sequence + 1, facts, self.unreadable)


def _unbound(_world: Any, _fact: Fact) -> None:
    raise TypeError("this world was not made by new_world")


@dataclass
class World:
    """The loaded part of a service's state. A service adds tables of its own: dicts, lists and sets of immutable values.

    Only `shared.writing.evolving` changes a world, by the `put` and `drop` of the service's facts. Decisions read it.
    """

    heads: dict[str, int] = field(default_factory=dict)
    """{locked stream: sequence of its last event}"""
    histories: dict[str, History] = field(default_factory=dict)
    """{stream: its facts, as far as they are loaded}"""
    events: dict[UUID, tuple[str, int]] = field(default_factory=dict)
    """{event that a correction may name: (stream, rank of the fact that it states)}"""
    unreadable: dict[str, frozenset[int]] = field(default_factory=dict)
    """{locked stream: its events that this release cannot read}, for streams whose history is not loaded in full"""
    today: date | None = None
    """The platform's day in the deployment's zone, under the locks. A service's `load` may set it; otherwise it is asked for."""

    apply: Callable[[Any, Fact], Any] = field(default=_unbound, repr=False, compare=False)
    """Applies a fact to a world; `shared.writing.evolving.new_world` sets it."""

    def after(self, facts: Iterable[Fact]) -> Self:
        """Another world: this one after these facts. For rules that must see what their facts lead to."""
        trial = self.fork()
        for fact in facts:
            self.apply(trial, fact)
        return trial

    def history(self, subject: str) -> History:
        """The stream; empty if nothing is recorded or loaded of it."""
        return self.histories.get(subject) or History(subject, self.heads.get(subject, 0))

    def require_readable(self, subject: str) -> None:
        """Nothing is decided on a stream that this release cannot read in full. Raises STREAM_UNREADABLE (409)."""
        found = self.unreadable.get(subject, frozenset())
        if history := self.histories.get(subject):
            found |= history.unreadable
        if found:
            raise Conflict("STREAM_UNREADABLE", params={"sequence": min(found)})

    def fork(self) -> Self:
        """A world of the same content: what is tried on it leaves this one as it is. Costs a shallow copy of every table."""
        other = object.__new__(type(self))
        for item in fields(self):
            value = getattr(self, item.name)
            setattr(other, item.name, value.copy() if isinstance(value, dict | list | set) else value)
        return other


class Decision(msgspec.Struct, frozen=True):
    """The outcome of a command. `id` is answered, None: the id of the first event. `subject`: the stream whose sequence is answered,
    None: that of the first fact. `warnings` are codes of the catalogue, or notices where the message has parameters."""

    facts: list[Fact]
    id: str | None = None
    subject: str | None = None
    warnings: Collection[str | Notice] = ()


@dataclass(frozen=True, slots=True)
class Correct:
    """A correction of the fact that the event `corrects` states. `data`: fields that change, by the names of the command; None: no fact."""

    corrects: UUID
    reason: Reason
    data: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The events `first` to `last` of a stream, both included, were never facts."""

    subject: str
    first: int
    last: int
    reason: Reason


Revision: TypeAlias = Correct | Withdraw
