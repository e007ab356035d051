"""Figures of one business day in memory, kept current from the change feed, so that a change is served without a query of the ledger.

A `CoverageTable` holds the sums of every cell as of a day, as known now. A `CoverageView` groups a table's cells by one query (area, by) and
returns which groups a change affects. Pure but for the two loading functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from services.metrics.figures.labels import label
from services.metrics.figures.questions import ALL, Row, empty, name_of
from services.metrics.figures.scope import Scope
from services.metrics.figures.stores.figure_store import ROWS, SUMS
from services.metrics.figures.tree import Tree
from services.metrics.measures import MEASURES, Vector, packed
from services.metrics.tables.feed import Changed
from services.metrics.tables.rows import Cell
from shared.process.db import Connection

FOREVER = date(9999, 12, 31)
SUMS_BY_CELL = "SELECT cell, {sums} FROM ({rows}) l GROUP BY cell"
CELLS = "SELECT id, park, industry, size, ownership FROM g{g}.cells WHERE $1::int[] IS NULL OR id = ANY ($1::int[])"


@dataclass(slots=True)
class CoverageTable:
    """`sums` = {cell id: figures as of `as_of`}; `cells` = {cell id: cell}, which must hold every changed cell; `tree`: the areas on that day."""

    as_of: date
    tree: Tree
    cells: dict[int, Cell]
    sums: dict[int, Vector] = field(default_factory=dict)

    def add(self, changes: Iterable[Changed]) -> dict[int, Vector]:
        """Apply the changes of batches. Returns {cell id: change of its figures on this day}, without zeros."""
        day, changed = self.as_of.toordinal(), defaultdict[int, Vector](int)
        for change in changes:
            for cell, deltas in change.on(day).items():
                changed[cell] += deltas
        for cell, deltas in changed.items():
            self.sums[cell] = self.sums.get(cell, 0) + deltas
        return {cell: deltas for cell, deltas in changed.items() if deltas}


async def load_table(conn: Connection, generation: int, as_of: date, tree: Tree, cells: dict[int, Cell]) -> CoverageTable:
    """Load a table from the ledger, in the snapshot of `conn`. `cells` holds every cell of that snapshot and is shared by tables."""
    rows = ROWS.format(g=generation, columns=", ".join(("cell", *MEASURES)), scope="")
    statement = SUMS_BY_CELL.format(sums=SUMS, rows=rows)
    sums = {row[0]: packed(tuple(row)[1:]) for row in await conn.fetch(statement, as_of, FOREVER)}
    return CoverageTable(as_of, tree, cells, sums)


async def load_cells(conn: Connection, generation: int, wanted: Collection[int] | None = None) -> dict[int, Cell]:
    """{id: cell}; `wanted` None: all."""
    rows = await conn.fetch(CELLS.format(g=generation), None if wanted is None else list(wanted))
    return {row["id"]: (row["park"], row["industry"], row["size"], row["ownership"]) for row in rows}


class CoverageView:
    """The rows of a table that one query shows: {group: figures} and the total, with names in a language."""

    def __init__(self, table: CoverageTable, area: str | None, by: str | None, language: str) -> None:
        self.table = table
        self.area = area
        self.by = by
        self.language = language
        self._tree = table.tree
        self._scope = Scope.of(table.tree, area, by)
        self._groups: dict[int, str | None] = {}
        self._sums: defaultdict[str, Vector] = defaultdict(int)
        for cell, figures in table.sums.items():
            self._add(cell, figures)

    def add(self, changed: Mapping[int, Vector]) -> set[str]:
        """Apply {cell id: change}. Returns the affected groups, with ALL if there are any."""
        touched = set[str]()
        for cell, deltas in changed.items():
            touched |= self._add(cell, deltas)
        return touched

    def _add(self, cell: int, deltas: Vector) -> set[str]:
        group = self.group(cell)
        if group is None:
            return set()
        touched = {ALL, group}
        for code in touched:
            self._sums[code] += deltas
        return touched

    def group(self, cell: int) -> str | None:
        """The group of a cell; None: it lies outside the area."""
        if cell not in self._groups:
            codes = self.table.cells[cell]
            group = self._scope.group_of(codes) if self.by else ALL
            self._groups[cell] = group if self._scope.holds(codes) else None
        return self._groups[cell]

    def rows(self, groups: Collection[str] | None = None) -> list[Row]:
        """Rows by code with the total last. `groups` None: all that are not empty; else these, including empty ones."""
        wanted = set(self._sums if groups is None else groups) - {ALL}
        rows = [self._row(code) for code in sorted(wanted) if groups is not None or not empty(self._sums[code])]
        if groups is None or ALL in groups:
            rows.append(self._row(ALL))
        return rows

    def total(self) -> Row:
        """The row of everything."""
        return self._row(ALL)

    def _row(self, code: str) -> Row:
        if code == ALL:
            name = self._tree.display_name(self.area) if self.area else label(ALL, ALL, self.language)
        else:
            name = name_of(self.by, code, self._tree, self.language)
        return Row(code, name, self._sums.get(code, 0))

    def differs_from(self, other: CoverageView) -> set[str]:
        """The groups whose rows differ between two views of one query."""
        codes = self._sums.keys() | other._sums.keys()
        return {code for code in codes if self._row(code) != other._row(code)}
