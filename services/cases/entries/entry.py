"""An entry of a register: a case, a hardship file, a contract. It is its standing facts, and what of it may not be in events. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from shared.contracts import Event
from shared.problems.preconditions import etag_of
from shared.writing.facts import Standing

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Entry:
    """`noun` names its register. `subject`: the stream of its facts; of several enterprises, that of the first, and `facts` are those of
    that stream alone, since the others have copies. `area`: of an entry without enterprises; None: above every area.

    `facts`: in order of (date, rank). `private`: values that no event may carry, such as the title of an award.
    """

    id: UUID
    noun: str
    subject: str
    enterprises: tuple[UUID, ...] = ()
    area: str | None = None
    facts: tuple[Standing, ...] = ()
    private: Mapping[str, Any] = field(default_factory=dict)

    def holding(self, kind: type[E]) -> list[tuple[Standing, E]]:
        """The facts of one kind, in order of (date, rank)."""
        return [(fact, fact.data) for fact in self.facts if isinstance(fact.data, kind)]

    def first(self, kind: type[E]) -> tuple[Standing, E] | None:
        """The first fact of one kind; None: there is none."""
        return next(iter(self.holding(kind)), None)

    def last(self, kind: type[E]) -> tuple[Standing, E] | None:
        """The last fact of one kind; None: there is none."""
        return next(reversed(self.holding(kind)), None)

    def with_fact(self, fact: Standing, private: Mapping[str, Any] | None = None, *, opening: bool = False) -> Entry:
        """The entry with a fact, new or in place of the one of the same rank. The copy of its opening on another enterprise's stream adds that
        enterprise; other copies change nothing."""
        enterprise_id = getattr(fact.data, "enterprise_id", None)
        enterprises = self.enterprises
        if fact.subject != self.subject:
            return replace(self, enterprises=(*enterprises, enterprise_id)) if opening and enterprise_id is not None else self
        if enterprise_id is not None and not enterprises:
            enterprises = (enterprise_id,)
        facts = sorted((*(one for one in self.facts if one.rank != fact.rank), fact), key=Standing.order)
        return replace(self, enterprises=enterprises, facts=tuple(facts), private={**self.private, **(private or {})})

    def without(self, fact: Standing, *, opening: bool) -> Entry:
        """The entry without a fact; without its opening it is that of its first enterprise alone. Copies on other streams change nothing."""
        if fact.subject != self.subject:
            return self
        facts = tuple(one for one in self.facts if one.rank != fact.rank)
        return replace(self, facts=facts, enterprises=self.enterprises[:1] if opening else self.enterprises)

    def before(self, day: date) -> Sequence[Standing]:
        """The facts of days up to `day`, included."""
        return [fact for fact in self.facts if fact.on <= day]

    @property
    def etag(self) -> str:
        """It changes with every fact and every correction of one."""
        return etag_of({"id": str(self.id), "events": [str(fact.event_id) for fact in self.facts]})
