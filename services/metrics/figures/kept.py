"""What a process keeps from one question for the next ones."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Any

from services.metrics.folding.steps import Steps

MOST_KEPT = 50_000
"""Items; about 15 MB."""
MOST_LISTS = 64
MOST_STEPS = 64_000_000
"""Bytes of steps: those of a city of 100,000 enterprises are about 40 million."""
MOST_ROWS = 300_000
"""Rows of results: a city of 100,000 enterprises on a day has so many and is about 15 MB."""


class KeptLists:
    """Lists that were computed last, so that their next pages need not be: {key: list}, at most MOST_KEPT items together.

    A key holds everything that the list depends on, the version vector too.
    """

    def __init__(self) -> None:
        self._lists: dict[Hashable, Sequence[Any]] = {}

    def get(self, key: Hashable) -> Sequence[Any] | None:
        """A list that was kept; None if it was not, or is no longer."""
        return self._lists.get(key)

    def keep(self, key: Hashable, items: Sequence[Any]) -> None:
        """Keep a list; the oldest ones go."""
        self._lists[key] = items
        while sum(map(len, self._lists.values())) > MOST_KEPT or len(self._lists) > MOST_LISTS:
            del self._lists[next(iter(self._lists))]


class KeptSteps:
    """Steps of parks that were read last: {(generation, park, day, version of the row): steps}, at most MOST_STEPS bytes together."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[Steps, int]] = {}
        self._bytes = 0

    def get(self, key: Hashable) -> Steps | None:
        """Steps that were kept; None if they were not, or are no longer."""
        found = self._kept.pop(key, None)
        if found is None:
            return None
        self._kept[key] = found
        return found[0]

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def fits(self, size: int) -> bool:
        """Whether steps of so many bytes can be kept without others having to go."""
        return self._bytes + size <= MOST_STEPS

    def only(self, keys: Collection[Hashable]) -> None:
        """Let go of all other steps."""
        for key in self._kept.keys() - {*keys}:
            self._bytes -= self._kept.pop(key)[1]

    def keep(self, key: Hashable, steps: Steps, size: int) -> Steps:
        """Keep steps; those that were asked for longest ago go."""
        self._kept[key] = steps, size
        self._bytes += size
        while self._bytes > MOST_STEPS:
            _, gone = self._kept.pop(next(iter(self._kept)))
            self._bytes -= gone
        return steps


class KeptResults:
    """Results that were computed last: {key: (basis, result)}, at most MOST_ROWS rows together.

    A result stands while what it was computed from is the same, its `basis`; of another basis the one before is of no use any more.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[Hashable, Any, int]] = {}
        self._rows = 0

    def get(self, key: Hashable, basis: Hashable) -> Any:
        """A result that was kept; None if it was not, or is of another basis."""
        found = self._kept.get(key)
        if found is None or found[0] != basis:
            return None
        self._kept[key] = self._kept.pop(key)
        return found[1]

    def keep(self, key: Hashable, basis: Hashable, result: Any, rows: int) -> None:
        """Keep a result of so many rows, unless it is too large; those that were asked for longest ago go."""
        self._forget(key)
        if rows > MOST_ROWS:
            return
        self._kept[key] = basis, result, rows
        self._rows += rows
        while self._rows > MOST_ROWS:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Hashable) -> None:
        if (gone := self._kept.pop(key, None)) is not None:
            self._rows -= gone[2]
