"""Which counts of one statistic are shown, by area and kind, decided once for all questions. Pure; README.md has the rule and its proof.

A count of 1 to 4 persons is hidden, and as many others as it takes that neither a hidden count nor a sum of 1 to 4 follows from what is shown.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

EVERYWHERE = "*"
"""The area that contains all others."""
SMALLEST = 5
"""The smallest count that is shown, besides 0."""

Row: TypeAlias = tuple[int, ...]
"""The counts of an area by column: each kind that is shown, then all others together."""
Member = TypeVar("Member", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Shown:
    """The decision. Whatever is asked, the answer is read from it."""

    _areas: frozenset[str]
    _kinds: frozenset[str]
    _counts: Mapping[tuple[str, str | None], int] = field(repr=False)

    def count(self, area: str = EVERYWHERE, kind: str | None = None) -> int | None:
        """The count of an area and a kind, or of all kinds; None: it is hidden. Raises KeyError for an unknown area or kind."""
        if area not in self._areas or (kind is not None and kind not in self._kinds):
            raise KeyError(area if area not in self._areas else kind)
        return self._counts.get((area, kind))


def decide(parents: Mapping[str, str | None], kinds: Sequence[str], counts: Mapping[tuple[str, str], int]) -> Shown:
    """The decision for all counts of a statistic: `parents` = {area: the area around it, None: none}, `counts` = {(area, kind): persons there}.

    All areas of the tree and all kinds of the list must be given, and an area's persons once, where they are: sums are made here. Areas inside
    which persons are counted may have some of their own. Raises KeyError for a count of an area or kind that is not given.
    """
    tree = _Tree.of(parents, kinds, counts)
    everything = {kind: tree.rows[EVERYWHERE][n] for n, kind in enumerate(kinds)}
    shown: dict[tuple[str, str | None], int] = {}
    known = frozenset({EVERYWHERE, *parents})
    if _small(sum(everything.values())):
        return Shown(known, frozenset(kinds), shown)
    hidden_kinds = _hidden(everything)
    columns = [n for n, kind in enumerate(kinds) if kind not in hidden_kinds]
    others = [n for n, kind in enumerate(kinds) if kind in hidden_kinds]

    def by_column(row: Row) -> Row:
        return (*(row[n] for n in columns), sum(row[n] for n in others))

    todo = [(EVERYWHERE, True)]
    while todo:
        area, with_kinds = todo.pop()
        row = by_column(tree.rows[area])
        shown[area, None] = sum(row)
        if with_kinds:
            shown.update({(area, kinds[n]): row[place] for place, n in enumerate(columns)})
        inside: dict[str | None, Row] = {child: by_column(tree.rows[child]) for child in tree.children.get(area, ())}
        hidden_areas = _hidden({child: sum(one) for child, one in inside.items()})
        if hidden_areas:
            inside[None] = _sum(inside.pop(child) for child in hidden_areas)
        without = _hidden_rows(inside) if with_kinds else set(inside)
        todo += [(child, child not in without) for child in inside if child is not None]
    return Shown(known, frozenset(kinds), {cell: count for cell, count in shown.items() if cell[0] in known})


def _small(count: int) -> bool:
    return 0 < count < SMALLEST


def _hidden(counts: Mapping[Member, int]) -> set[Member]:
    """The members of a group, whose sum is shown, that are hidden: the small ones, and the next larger ones until the hidden are several, not all
    alike, and SMALLEST together; at last all that are not 0. Those of one size go together, so that it tells nothing which of them went."""
    small = [count for count in counts.values() if _small(count)]
    if not small:
        return set()
    chosen: set[Member] = set()
    for largest in sorted({count for count in counts.values() if count >= max(small)}):
        chosen = {member for member, count in counts.items() if 0 < count <= largest}
        sizes = {counts[member] for member in chosen}
        if len(sizes) > 1 and sum(counts[member] for member in chosen) >= SMALLEST:
            break
    return chosen


def _hidden_rows(rows: Mapping[Member, Row]) -> set[Member]:
    """The rows, whose totals are known, that are not shown by column: those with a small count in one, and the smallest others until no
    column of the hidden ones has a small sum, so that they are several. The sums of all rows are known."""
    chosen = {member for member, row in rows.items() if any(map(_small, row))}
    if not chosen:
        return chosen
    for largest in sorted({sum(row) for row in rows.values() if any(row)}):
        if not any(map(_small, _sum(rows[member] for member in chosen))):
            break
        chosen |= {member for member, row in rows.items() if 0 < sum(row) <= largest}
    return chosen


def _sum(rows: Iterable[Row]) -> Row:
    return tuple(map(sum, zip(*rows, strict=True)))


@dataclass(frozen=True, slots=True)
class _Tree:
    """`rows` = {area: its counts by kind, those of the areas inside it among them}."""

    children: Mapping[str, Sequence[str]]
    rows: Mapping[str, Row]

    @classmethod
    def of(cls, parents: Mapping[str, str | None], kinds: Sequence[str], counts: Mapping[tuple[str, str], int]) -> _Tree:
        """The sums of all areas. What an area with others inside it has of its own stands beside these, as an area without a name."""
        children: dict[str, list[str]] = {}
        for area, parent in parents.items():
            children.setdefault(EVERYWHERE if parent is None else parent, []).append(area)
        place = {kind: n for n, kind in enumerate(kinds)}
        sums = {area: [0] * len(kinds) for area in (EVERYWHERE, *parents)}
        own = {area: [0] * len(kinds) for area in children}
        for (start, kind), count in counts.items():
            if start in own:
                own[start][place[kind]] += count
            around: str | None = start
            while around is not None:
                sums[around][place[kind]] += count
                around = None if around == EVERYWHERE else parents[around] or EVERYWHERE
        for area, row in own.items():
            children[area].append(unnamed := f"{area}/")
            sums[unnamed] = row
        return cls(children, {area: tuple(row) for area, row in sums.items()})
