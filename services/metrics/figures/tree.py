"""The tree of divisions and parks as of a business day and as known at a day. It is applied to each question and never folded.

For each code the last version (by occurred_on, rank) that occurred and was known by then applies; before its first day, the earliest known
version, so that no total loses figures because an area is dated later. An unknown area has no parent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from services.metrics.figures.stores import generation_store
from shared.directory.visibility import EveryArea
from shared.http.auth import Areas
from shared.process.db import Connection, Record

UNKNOWN = "unknown"
MOST_CACHED = 32


class Area(NamedTuple):
    """A division or park; `level`: only a level of the code (市辖区), displayed by its parent's name."""

    code: str
    name: str
    kind: str
    parent: str | None
    level: bool


class Tree:
    """The areas of one (as_of, known_at)."""

    def __init__(self, areas: Mapping[str, Area]) -> None:
        self.areas = areas
        self._children: defaultdict[str | None, list[str]] = defaultdict(list)
        for area in areas.values():
            self._children[area.parent].append(area.code)

    def children(self, code: str | None) -> list[Area]:
        """The areas directly in one, ordered by code; None: the roots."""
        return [self.areas[child] for child in sorted(self._children.get(code, ()))]

    def under(self, code: str) -> set[str]:
        """The codes of an area and of all areas in it."""
        found, waiting = {code}, [code]
        while waiting:
            for child in self._children.get(waiting.pop(), ()):
                if child not in found:
                    found.add(child)
                    waiting.append(child)
        return found

    def path(self, code: str) -> list[str]:
        """The code and those of the areas around it, outwards."""
        found, following = list[str](), code
        while following and following not in found:
            found.append(following)
            area = self.areas.get(following)
            following = area.parent or "" if area else ""
        return found

    def district(self, park: str | None) -> str:
        """The division directly around a park; UNKNOWN if there is none."""
        area = self.areas.get(park or "")
        return area.parent or UNKNOWN if area else UNKNOWN

    def display_name(self, code: str) -> str:
        """The displayed name: a level has its parent's, an unknown code is its own."""
        for step in self.path(code):
            area = self.areas.get(step)
            if area is None:
                return code
            if not area.level:
                return area.name
        return self.areas[code].name


class AreaVersions:
    """Every version of every area in one database snapshot."""

    def __init__(self, rows: Sequence[Record]) -> None:
        self._rows: defaultdict[str, list[Record]] = defaultdict(list)
        for row in rows:
            self._rows[row["code"]].append(row)
        self._trees: dict[tuple[date, date], Tree] = {}

    def __contains__(self, code: str) -> bool:
        return code in self._rows

    def at(self, as_of: date, known_at: date) -> Tree:
        """The tree as of a business day and as known at a day."""
        if (tree := self._trees.get((as_of, known_at))) is None:
            areas = {code: area for code, rows in self._rows.items() if (area := _area(rows, as_of, known_at)) is not None}
            tree = self._trees[as_of, known_at] = Tree(areas)
            while len(self._trees) > MOST_CACHED:
                del self._trees[next(iter(self._trees))]
        return tree

    def latest(self) -> Tree:
        """The tree of the last versions, which decides access."""
        return self.at(date.max, date.max)

    def granted(self, areas: Areas) -> Container[str]:
        """The codes of the granted areas and of all within them, by the latest tree."""
        if areas.everything:
            return EveryArea()
        return frozenset().union(*(self.latest().under(code) for code in areas.codes))

    def learned(self, code: str, after: date, until: date) -> list[Record]:
        """The versions of an area that became known in (after, until]."""
        return [row for row in self._rows.get(code, ()) if after < row["known_day"] <= until]


def _area(rows: Sequence[Record], as_of: date, known_at: date) -> Area | None:
    """`rows` are in the order of (occurred_on, rank)."""
    known = [row for row in rows if row["known_day"] <= known_at and (row["known_until"] is None or row["known_until"] > known_at)]
    if not known:
        return None
    row = next((row for row in reversed(known) if row["occurred_on"] <= as_of), known[0])
    return Area(row["code"], row["name"], row["kind"], row["parent"], row["level"])


class AreaVersionsCache:
    """Keeps the versions read last until one is added or ended."""

    def __init__(self) -> None:
        self._cached: tuple[tuple[int, int, int], AreaVersions] | None = None

    async def load(self, conn: Connection, generation: int, counts: tuple[int, int]) -> AreaVersions:
        """The versions in the snapshot of `conn`; `counts` as `generation_store.areas_signature` has them."""
        signature = (generation, *counts)
        if self._cached is None or self._cached[0] != signature:
            self._cached = signature, AreaVersions(await generation_store.areas(conn, generation))
        return self._cached[1]
