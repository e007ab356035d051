"""Which facts about an enterprise or a union a caller may see: those of the days on which it was in the caller's areas. Pure.

Where it was is told by its facts as they stand now, and which areas are the caller's by the tree as it is now: a fact that was recorded
while a move was unknown follows the enterprise when the move is recorded. A move is seen from both sides, a correction by who may see what
it withdraws or what it puts in its place; each sees its own part, and names of other areas are left out (invariant I6).
Registry, membership and metrics show history by these functions alone; row-level security is the second net.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

MOVED = "enterprise-moved"
PLACING = frozenset(("enterprise-registered", MOVED, "union-founded"))
"""The kinds of facts that say where their subject is."""
AREA_FIELDS = ("park", "district", "seat_area")
"""The fields of facts that name an area; the district is that of the park."""
ONE_DAY = timedelta(days=1)


class Stay(NamedTuple):
    """An enterprise was in a park (a union had its seat in an area) from `since` to before `until`."""

    since: date
    until: date
    park: str


class EveryArea:
    """Contains every code: the areas of a caller who has all of them."""

    def __contains__(self, _code: object) -> bool:
        return True


def stays(placing: Iterable[tuple[date, int, str]]) -> list[Stay]:
    """The stays by the standing facts (day, rank, park); the first has no beginning (date.min), the last no end (date.max)."""
    ordered = sorted(placing)
    if len(ordered) == 1:
        return [Stay(date.min, date.max, ordered[0][2])]
    ends = [day for day, _, _ in ordered[1:]] + [date.max]
    begins = [date.min] + [day for day, _, _ in ordered[1:]]
    return [Stay(since, until, park) for since, until, (_, _, park) in zip(begins, ends, ordered, strict=False) if since < until]


class Part(NamedTuple):
    """A fact that an event states, withdraws or puts in another's place. `kind` without prefix and version, `data`: its fields."""

    kind: str
    on: date
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of one enterprise or union with its stays from the areas `granted`: the codes of the areas and of all within them."""

    stays: Sequence[Stay]
    granted: Container[str]

    def on(self, day: date) -> bool:
        """Whether the facts of a day are seen."""
        if isinstance(self.granted, EveryArea):
            return True
        return any(stay.since <= day < stay.until and stay.park in self.granted for stay in self.stays)

    @property
    def ever(self) -> bool:
        """Whether the facts of any day are seen."""
        return isinstance(self.granted, EveryArea) or any(stay.park in self.granted for stay in self.stays)

    @property
    def now(self) -> bool:
        """Whether what goes on is seen: the enterprise is in one of these areas by its last fact."""
        return self.on(date.max - ONE_DAY)

    def part(self, part: Part) -> dict[str, Any] | None:
        """The fields of a fact without names of areas that are not granted; None: the fact is not seen. A move is seen from both sides."""
        if not self.on(part.on) and not (part.kind == MOVED and self.on(part.on - ONE_DAY)):
            return None
        named = next((part.data[name] for name in ("park", "seat_area") if part.data.get(name) is not None), None)
        if named is None or named in self.granted:
            return dict(part.data)
        return {name: value for name, value in part.data.items() if name not in AREA_FIELDS}

    def sees(self, parts: Iterable[Part]) -> bool:
        """Whether an event is seen: one of the facts that it states, withdraws or puts in another's place is."""
        return isinstance(self.granted, EveryArea) or any(self.part(part) is not None for part in parts)
