"""No combination of published cells gives a count under 5: every table of small trees, and generated tables of larger ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from random import Random
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.suppression.deciding import EVERYWHERE, SMALLEST, decide

Cell: TypeAlias = tuple[str, str | None]
Tree: TypeAlias = Mapping[str, str | None]
Table: TypeAlias = tuple[int, ...]

TWO: Tree = {"a": None, "b": None}
THREE: Tree = {"a": None, "b": None, "c": None}
NESTED: Tree = {"d": None, "a": "d", "b": "d", "c": None}
CITY: Tree = {"city": None, "d1": "city", "d2": "city", **{f"p{n}": f"d{1 + n % 2}" for n in range(7)}}


class Lattice:
    """The cells that can be asked for, and of which leaf cells each is the sum."""

    def __init__(self, tree: Tree, kinds: Sequence[str]) -> None:
        self.tree, self.kinds = tree, kinds
        self.leaves = [(area, kind) for area in tree if area not in tree.values() for kind in kinds]
        self.cells: list[Cell] = [(area, kind) for area in (EVERYWHERE, *tree) for kind in (None, *kinds)]
        self.parts = [
            [n for n, (leaf, own) in enumerate(self.leaves) if self.inside(leaf, area) and kind in (None, own)] for area, kind in self.cells
        ]

    def inside(self, area: str | None, other: str) -> bool:
        while area is not None and area != other:
            area = self.tree[area]
        return area == other or other == EVERYWHERE

    def published(self, table: Table) -> tuple[int | None, ...]:
        shown = decide(self.tree, self.kinds, dict(zip(self.leaves, table, strict=True)))
        return tuple(shown.count(*cell) for cell in self.cells)

    def sums(self, table: Table) -> list[int]:
        return [sum(table[n] for n in part) for part in self.parts]


def tables(total: int, cells: int) -> Iterator[Table]:
    if cells == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in tables(total - first, cells - 1):
            yield (first, *rest)


SMALL = [
    (Lattice(TWO, "x"), 16),
    (Lattice(THREE, "x"), 20),
    (Lattice(NESTED, "x"), 16),
    (Lattice(TWO, "xy"), 16),
    (Lattice(THREE, "xy"), 11),
]
IDS = ["two areas", "three", "nested", "two by two kinds", "three by two kinds"]


@pytest.mark.parametrize(("lattice", "most"), SMALL, ids=IDS)
def test_what_is_shown_is_true_and_never_small(lattice: Lattice, most: int) -> None:
    for total in range(most + 1):
        for table in tables(total, len(lattice.leaves)):
            for count, is_shown in zip(lattice.sums(table), lattice.published(table), strict=True):
                assert is_shown is None or (is_shown == count and not 0 < count < SMALLEST)


@pytest.mark.parametrize(("lattice", "most"), SMALL, ids=IDS)
def test_no_sum_of_cells_that_follows_is_small_and_every_hidden_cell_may_be_five(lattice: Lattice, most: int) -> None:
    """Over all tables that agree with what is published. Those agree in their total, unless that is hidden: then nothing is known."""
    sets = [part for size in range(1, len(lattice.leaves) + 1) for part in combinations(range(len(lattice.leaves)), size)]
    for total in range(SMALLEST, most + 1):
        every = [(np.array(table), lattice.sums(table)) for table in tables(total, len(lattice.leaves))]
        patterns: dict[tuple[int, ...], set[tuple[int | None, ...]]] = defaultdict(set)
        for table, _ in every:
            published = lattice.published(tuple(int(count) for count in table))
            patterns[tuple(n for n, count in enumerate(published) if count is not None)].add(published)
        for shown, wanted in patterns.items():
            keys = {tuple(published[n] for n in shown) for published in wanted}
            agreeing = defaultdict(list)
            for table, sums in every:
                if (key := tuple(sums[n] for n in shown)) in keys:
                    agreeing[key].append((table, sums))
            for found in agreeing.values():
                require_hidden(lattice, shown, [sums for _, sums in found])
                require_no_small_sum(np.array([table for table, _ in found]), sets)


def require_hidden(lattice: Lattice, shown: Sequence[int], sums: list[list[int]]) -> None:
    for n, cell in enumerate(lattice.cells):
        values = {one[n] for one in sums}
        if n not in shown and values != {0}:
            assert len(values) > 1, cell
            assert max(values) >= SMALLEST, cell


def require_no_small_sum(found: np.ndarray, sets: Sequence[tuple[int, ...]]) -> None:
    for part in sets:
        sums = found[:, part].sum(axis=1)
        assert not (0 < sums[0] < SMALLEST and (sums == sums[0]).all()), part


@pytest.mark.parametrize(("lattice", "most"), SMALL, ids=IDS)
def test_who_knows_the_rule_gets_no_exact_number_either(lattice: Lattice, most: int) -> None:
    """Over all tables that the rule publishes alike."""
    alike: dict[tuple[int | None, ...], list[list[int]]] = defaultdict(list)
    for total in range(most + 1):
        for table in tables(total, len(lattice.leaves)):
            alike[lattice.published(table)].append(lattice.sums(table))
    for published, sums in alike.items():
        for n, count in enumerate(published):
            values = {one[n] for one in sums}
            assert count is not None or len(values) > 1 or values == {0}, lattice.cells[n]


LARGE = Lattice(CITY, "wxyz")
COUNTS = st.one_of(st.just(0), st.integers(0, 6), st.integers(0, 60))


@settings(max_examples=300)
@given(st.lists(COUNTS, min_size=len(LARGE.leaves), max_size=len(LARGE.leaves)))
def test_no_hidden_cell_is_a_combination_of_shown_ones(counts: list[int]) -> None:
    """By linear algebra: cells where a zero follows are left out, and no hidden cell's sum lies in the span of the shown ones."""
    published = LARGE.published(tuple(counts))
    nothing = {n for part, count in zip(LARGE.parts, published, strict=True) if count == 0 for n in part}
    kept = [n for n in range(len(counts)) if n not in nothing]
    vectors = np.array([[float(n in part) for n in kept] for part in LARGE.parts])
    shown = vectors[[n for n, count in enumerate(published) if count is not None]]
    sums = LARGE.sums(tuple(counts))
    for n, count in enumerate(published):
        if count is None and 0 < sums[n] < SMALLEST and len(shown):
            coefficients = np.linalg.lstsq(shown.T, vectors[n], rcond=None)[0]
            assert np.abs(shown.T @ coefficients - vectors[n]).max() > 1e-6, LARGE.cells[n]


@settings(max_examples=300)
@given(st.lists(COUNTS, min_size=len(LARGE.leaves), max_size=len(LARGE.leaves)), st.randoms())
def test_no_difference_of_a_shown_count_and_shown_parts_of_it_is_small(counts: list[int], random: Random) -> None:
    """Parts: areas inside, of any levels, or kinds."""
    shown = decide(CITY, LARGE.kinds, dict(zip(LARGE.leaves, counts, strict=True)))

    def parts(area: str, kind: str | None) -> int:
        """The sum of what is shown of an area: itself, or parts of it."""
        own = shown.count(area, kind)
        inside = [other for other, parent in CITY.items() if parent == area]
        return own if own is not None and random.random() < 0.6 else sum(parts(other, kind) for other in inside)

    for area, kind in LARGE.cells:
        if (count := shown.count(area, kind)) is not None:
            inside = [other for other, parent in CITY.items() if parent == area]
            assert not 0 < count - sum(parts(other, kind) for other in inside) < SMALLEST or not inside
            if kind is None:
                assert not 0 < count - sum(shown.count(area, one) or 0 for one in LARGE.kinds) < SMALLEST


@settings(max_examples=100)
@given(st.lists(COUNTS, min_size=len(LARGE.leaves), max_size=len(LARGE.leaves)), st.randoms())
def test_the_decision_depends_on_no_order(counts: list[int], random: Random) -> None:
    areas, kinds, leaves = list(CITY), list(LARGE.kinds), list(zip(LARGE.leaves, counts, strict=True))
    for one in (areas, kinds, leaves):
        random.shuffle(one)
    shown = decide({area: CITY[area] for area in areas}, kinds, dict(leaves))
    assert tuple(shown.count(*cell) for cell in LARGE.cells) == LARGE.published(tuple(counts))


@settings(max_examples=100)
@given(st.lists(COUNTS, min_size=len(LARGE.leaves), max_size=len(LARGE.leaves)))
def test_totals_of_areas_are_the_same_for_every_division_by_kind(counts: list[int]) -> None:
    others = decide(
        CITY, ["all"], {(area, "all"): sum(counts[n] for n in LARGE.parts[LARGE.cells.index((area, None))]) for area, _ in LARGE.leaves}
    )
    by_kind = decide(CITY, LARGE.kinds, dict(zip(LARGE.leaves, counts, strict=True)))
    assert [others.count(area) for area in CITY] == [by_kind.count(area) for area in CITY]


def test_five_in_one_place_are_shown_at_every_level_and_four_at_none() -> None:
    five, four = (decide(CITY, "xy", {("p1", "x"): number}) for number in (5, 4))
    for area in (EVERYWHERE, "city", "d2", "p1"):
        assert (five.count(area), five.count(area, "x"), five.count(area, "y")) == (5, 5, 0)
        assert (four.count(area), four.count(area, "x"), four.count(area, "y")) == (None, None, None)
    assert (five.count("p2"), four.count("p2")) == (0, None)


def test_a_small_park_takes_the_next_larger_one_with_it() -> None:
    shown = decide(CITY, "x", {("p1", "x"): 3, ("p3", "x"): 8, ("p5", "x"): 40, ("p0", "x"): 20})
    assert [shown.count(area) for area in (EVERYWHERE, "d1", "d2", "p1", "p3", "p5", "p0")] == [71, 20, 51, None, None, 40, 20]


def test_a_park_with_a_small_kind_is_shown_by_no_kind_and_another_with_it() -> None:
    counts = {("p1", "x"): 30, ("p1", "y"): 3, ("p3", "x"): 9, ("p3", "y"): 9, ("p5", "x"): 50, ("p5", "y"): 60}
    shown = decide(CITY, "xy", counts)
    assert [shown.count(area) for area in ("d2", "p1", "p3", "p5")] == [161, 33, 18, 110]
    assert [shown.count(area, "x") for area in ("d2", "p1", "p3", "p5")] == [89, None, None, 50]


def test_parks_by_kind_are_hidden_until_their_kinds_together_are_not_small() -> None:
    counts = {
        ("p1", "x"): 9,
        ("p1", "y"): 1,
        ("p3", "x"): 9,
        ("p3", "y"): 2,
        ("p5", "x"): 20,
        ("p5", "y"): 9,
        ("p0", "x"): 70,
        ("p0", "y"): 80,
    }
    shown = decide({**dict.fromkeys(("p1", "p3", "p5", "p0"), "d2"), "d2": None}, "xy", counts)
    assert [shown.count(area, "y") for area in ("d2", "p1", "p3", "p5", "p0")] == [92, None, None, None, 80]


def test_what_an_area_has_of_its_own_takes_part() -> None:
    shown = decide(CITY, "x", {("d2", "x"): 2, ("p1", "x"): 9, ("p3", "x"): 20})
    assert [shown.count(area) for area in ("d2", "p1", "p3")] == [31, None, 20]


def test_an_unknown_area_or_kind_is_an_error_and_not_a_zero() -> None:
    shown = decide(TWO, "x", {("a", "x"): 9})
    for wrong in (("q", None), ("a", "q"), ("a/", None)):
        with pytest.raises(KeyError):
            shown.count(*wrong)
    with pytest.raises(KeyError):
        decide(TWO, "x", {("q", "x"): 9})
