"""Divisions and parks as of a business day and as known at a day: applied when a question is asked, never folded.

For each code the last version (by occurred_on, rank) that occurred and was known by then holds; before its first day, the earliest version
known. So nothing is dropped from a total because its area is dated later. An area that is not known stands under nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from services.metrics.figures import statements as figures
from shared.process.db import Connection, Record

UNKNOWN = "unknown"
MOST_TREES = 32


class Area(NamedTuple):
    """A division or park; `level` = only a level of the code (市辖区), pages show its parent's name."""

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
        """The areas directly in one, by code; None: the roots."""
        return [self.areas[child] for child in sorted(self._children.get(code, ()))]

    def under(self, code: str) -> set[str]:
        """The codes of an area and of all that lies in it."""
        found, waiting = {code}, [code]
        while waiting:
            for child in self._children.get(waiting.pop(), ()):
                if child not in found:
                    found.add(child)
                    waiting.append(child)
        return found

    def path(self, code: str) -> list[str]:
        """The code and those of the areas that it lies in, outwards."""
        found, following = list[str](), code
        while following and following not in found:
            found.append(following)
            area = self.areas.get(following)
            following = area.parent or "" if area else ""
        return found

    def district(self, park: str | None) -> str:
        """The division in which a park lies directly."""
        area = self.areas.get(park or "")
        return area.parent or UNKNOWN if area else UNKNOWN

    def shown(self, code: str) -> str:
        """The name that pages show: a level's is its parent's; a code without an area is its own name."""
        for step in self.path(code):
            area = self.areas.get(step)
            if area is None:
                return code
            if not area.level:
                return area.name
        return self.areas[code].name


class Versions:
    """Every version of every area, as one snapshot of the database holds them."""

    def __init__(self, rows: Sequence[Record]) -> None:
        self._rows: defaultdict[str, list[Record]] = defaultdict(list)
        for row in rows:
            self._rows[row["code"]].append(row)
        self._trees: dict[tuple[date, date], Tree] = {}

    def __contains__(self, code: str) -> bool:
        return code in self._rows

    def at(self, as_of: date, known_at: date) -> Tree:
        """The tree of one question."""
        if (tree := self._trees.get((as_of, known_at))) is None:
            areas = {code: area for code, rows in self._rows.items() if (area := _area(rows, as_of, known_at)) is not None}
            tree = self._trees[as_of, known_at] = Tree(areas)
            while len(self._trees) > MOST_TREES:
                del self._trees[next(iter(self._trees))]
        return tree

    def latest(self) -> Tree:
        """The tree of the last versions: by it access is decided."""
        return self.at(date.max, date.max)

    def learned(self, code: str, after: date, until: date) -> list[Record]:
        """The versions of an area that came to be known in (after, until]."""
        return [row for row in self._rows.get(code, ()) if after < row["known_day"] <= until]


def _area(rows: Sequence[Record], as_of: date, known_at: date) -> Area | None:
    """`rows` are in the order of (occurred_on, rank)."""
    known = [row for row in rows if row["known_day"] <= known_at and (row["known_until"] is None or row["known_until"] > known_at)]
    if not known:
        return None
    row = next((row for row in reversed(known) if row["occurred_on"] <= as_of), known[0])
    return Area(row["code"], row["name"], row["kind"], row["parent"], row["level"])


class Trees:
    """Keeps the versions read last, as long as nothing was added."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[int, int, int], Versions] | None = None

    async def load(self, conn: Connection, generation: int) -> Versions:
        """The versions in the snapshot of `conn`."""
        signature = (generation, *await figures.areas_signature(conn, generation))
        if self._kept is None or self._kept[0] != signature:
            self._kept = signature, Versions(await figures.areas(conn, generation))
        return self._kept[1]
