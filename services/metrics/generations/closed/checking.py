"""Whether the rollups of a generation are what the log says, for an audit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from services.metrics.generations.closed.rolling import EVERYWHERE, KEPT, NUMBERS, STATE, numbers, parts_of
from services.metrics.generations.comparing import Difference
from services.metrics.measures import MEASURES, NUMBER, Vector, packed, unpacked, vector
from services.metrics.tables.rows import Cell
from shared.process.db import Connection


class Key(NamedTuple):
    """The key of a rollup. `known`: of the known days of that year or month (year × 100 + month), 0: of all; `start`: the first day of its span;
    `park` and `code` None: unknown, or no dimension; `park` None: all."""

    known: int
    dimension: str
    span: str
    start: date
    park: str | None
    code: str | None


Missing: TypeAlias = dict[Key, Vector]
"""{rollup: what the ledger has too little for it}"""

COMPARED = """
WITH base AS MATERIALIZED (
    SELECT c.park, c.industry, c.size, c.ownership, l.effective_day, {numbers}, {sums} FROM (
        SELECT cell, effective_day, known_day, {measures} FROM g{g}.ledger WHERE known_day <= $1
        UNION ALL SELECT cell, effective_day, known_day, {measures} FROM g{g}.ledger_open WHERE known_day <= $1
    ) l LEFT JOIN g{g}.cells c ON c.id = l.cell GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
), expected AS (
    {each}
), wanted AS (
    SELECT * FROM unnest($2::int[], $3::text[], $4::text[], $5::date[], $6::text[], $7::text[]) AS w(known, dimension, span, start, park, code)
)
SELECT known, dimension, span, start, park, code, {served}, {refolded} FROM (
    SELECT known, dimension, span, start, park, code, {both} FROM (
        SELECT known, dimension, span, start, park, code, {kept} FROM g{g}.rollups
        UNION ALL SELECT known, dimension, span, start, park, code, {made} FROM expected
    ) u GROUP BY 1, 2, 3, 4, 5, 6
) b WHERE {differ} OR EXISTS (
    SELECT FROM wanted w WHERE (w.known, w.dimension, w.span, w.start) = (b.known, b.dimension, b.span, b.start)
    AND w.park IS NOT DISTINCT FROM b.park AND w.code IS NOT DISTINCT FROM b.code
)
"""
EACH = """
SELECT coalesce({known}) AS known, '{dimension}' AS dimension, '{span}' AS span, start, park, code, {sums} FROM (
    SELECT {known}, date_trunc('{span}', effective_day)::date AS start, {park} AS park, {code} AS code, {measures} FROM base c
) c GROUP BY GROUPING SETS ({sets})
"""


class Expected:
    """What the rollups of a generation should be by the log, for an audit.

    The served ledger is compared with the log row by row, so its sums, with what it has too much or too little, are those of the log.
    """

    def __init__(self, generation: int, until: date | None, closed: date | None) -> None:
        self._generation = generation
        self._until = until
        self._closed = closed
        self._missing: defaultdict[Key, Vector] = defaultdict(int)

    @classmethod
    async def of(cls, conn: Connection, generation: int, shards: int) -> Expected:
        """Of what is in the snapshot of `conn`."""
        state = await conn.fetchrow(STATE.format(g=generation), shards, generation)
        return cls(generation, state["day"], state["closed"]) if state else cls(generation, None, None)

    def correcting(self, differences: Iterable[Difference], missing: Missing) -> Iterator[Difference]:
        """Passes on the differences of the ledger, and adds to `missing` what they are in the rollups."""
        for one in differences:
            if self._until is not None and one["known_day"] <= self._until:
                of_row = vector(**one["refolded"]) - vector(**one["served"])
                for key in _keys(tuple(one["cell"].values()), one["effective_day"], one["known_day"]):
                    missing[key] = missing.get(key, 0) + of_row
            yield one

    def add(self, missing: Missing) -> None:
        """Takes note of what the differences of a shard are in the rollups."""
        for key, of_shard in missing.items():
            self._missing[key] += of_shard

    async def differences(self, conn: Connection) -> list[Difference]:
        """The rollups that are not what the log says, by key; and the day up to which all is said to be rolled up, if it is not closed."""
        wanted = [list(column) for column in zip(*self._missing, strict=True)] if self._missing else [[], [], [], [], [], []]
        rows = await conn.fetch(_comparing(self._generation), self._until or date.min, *wanted)
        found: dict[Key, tuple[Vector, Vector]] = dict.fromkeys(self._missing, (0, 0))
        for row in rows:
            values: tuple[Any, ...] = tuple(row)
            found[Key(*values[:6])] = packed(values[6 : 6 + NUMBER]), packed(values[6 + NUMBER :])
        both = {key: (served, summed + self._missing.get(key, 0)) for key, (served, summed) in found.items()}
        changed = [_difference(key, *both[key]) for key in sorted(both, key=lambda key: tuple(map(str, key))) if len({*both[key]}) > 1]
        if self._until is not None and (self._closed is None or self._until > self._closed):
            changed.append({**_row("rolled", "day"), "served": self._until, "refolded": self._closed})
        return changed


def _keys(cell: Cell, day: date, known_day: date) -> Iterator[Key]:
    park, industry, size, ownership = cell
    codes = {"industry": industry[:1] if industry else industry, "size": size, "ownership": ownership}
    codes |= {EVERYWHERE[name]: code for name, code in codes.items()}
    starts, known = {"day": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}, numbers(known_day)
    for (dimension, span), kept in KEPT.items():
        of = None if dimension in EVERYWHERE.values() else park
        for name in kept:
            yield Key(known[name], dimension, span, starts[span], of, codes.get(dimension))


def _comparing(generation: int) -> str:
    def each(form: str, separator: str = ", ") -> str:
        return separator.join(form.format(name=name) for name in MEASURES)

    sums = each("coalesce(sum({name}), 0)::bigint AS {name}")
    expected = " UNION ALL ".join(
        EACH.format(sums=sums, measures=", ".join(MEASURES), **parts_of(dimension, span)) for dimension, span in KEPT
    )
    return COMPARED.format(
        g=generation,
        numbers=NUMBERS,
        sums=sums,
        measures=", ".join(MEASURES),
        each=expected,
        served=each("served_{name}"),
        refolded=each("expected_{name}"),
        both=each("sum(served_{name})::bigint AS served_{name}, sum(expected_{name})::bigint AS expected_{name}"),
        kept=each("coalesce({name}, 0)::bigint AS served_{name}, 0 AS expected_{name}"),
        made=each("0, {name}"),
        differ=each("served_{name} <> expected_{name}", " OR "),
    )


def _difference(key: Key, served: Vector, expected: Vector) -> Difference:
    """A differing rollup without measures that are 0 on both sides."""
    left, right = (dict(zip(MEASURES, unpacked(value), strict=True)) for value in (served, expected))
    names = [name for name in MEASURES if left[name] or right[name]]
    return {
        **_row("rollups", key._asdict()),
        "served": {name: left[name] for name in names},
        "refolded": {name: right[name] for name in names},
    }


def _row(table: str, key: object) -> Difference:
    """Of no shard, and of no enterprise that could be named: a rollup that differs was not summed as it should be."""
    return {"table": table, "shard": None, "key": key, "enterprises": [], "enterprises_left_out": 0}
