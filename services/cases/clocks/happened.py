"""What happened to a case, negotiation or contract, in the order of its dates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Happened:
    """One fact as it stands now.

    `name`: of a case `opened`, a step, `outcome`, `reopened`; of a negotiation `invited`, `replied`, `session`, `result`; of a contract
    `signed`, `submitted`, `received`, `objected`, `effective`, `published`, `renewed`, `terminated`.
    `rank`: the place of the fact in its stream; it orders the facts of one day. `said`: the fields of its body; dates are `date`s.
    """

    name: str
    on: date
    rank: int
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def order(self) -> tuple[date, int]:
        """The place among all facts."""
        return self.on, self.rank


class Timeline:
    """The facts of one subject in order."""

    def __init__(self, happened: Iterable[Happened]) -> None:
        self._named: dict[str, list[Happened]] = {}
        for fact in sorted(happened, key=lambda fact: fact.order):
            self._named.setdefault(fact.name, []).append(fact)

    def named(self, *names: str) -> list[Happened]:
        """The facts of these names in order."""
        if len(names) == 1:
            return self._named.get(names[0], [])
        return sorted((fact for name in names for fact in self._named.get(name, ())), key=lambda fact: fact.order)

    def has(self, *names: str) -> bool:
        """Whether any of them happened."""
        return any(name in self._named for name in names)

    def since(self, start: Start, *names: str) -> list[Happened]:
        """The facts of these names behind a start.

        Those of the starting day count, whatever was entered first; of a start anew only those that were entered behind it, since the
        day may also hold what ended the period before.
        """
        found = self.named(*names)
        if start.fact is None:
            return found
        if start.anew:
            return [fact for fact in found if fact.order > start.fact.order]
        return [fact for fact in found if fact.on >= start.fact.on]

    def start(self, begins: str, anew: Sequence[str] = (), met_by: Sequence[str] = ()) -> Start:
        """The last fact from which a period runs: one named `begins`, or behind it one named in `anew` while it was not yet met."""
        first = last = None
        for fact in self.named(begins, *anew):
            if fact.name == begins:
                first, last = first or fact, fact
            elif last is not None and not any(last.on <= met.on and met.order < fact.order for met in self.named(*met_by)):
                last = fact
        return Start(last, last is not first)


@dataclass(frozen=True, slots=True)
class Start:
    """The fact from which a period runs, None if it has not happened. `anew`: it is not the first one."""

    fact: Happened | None
    anew: bool


def day_of(facts: Iterable[Happened]) -> date | None:
    """The day of the earliest fact."""
    return min((fact.on for fact in facts), default=None)
