"""The scope of a question (the parks of an area and one group in them), and what one set of facts contributes to it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from services.metrics.figures.tree import UNKNOWN, Tree
from services.metrics.folding.coverage import Segment, at, segments
from services.metrics.folding.durations import Duration, spans
from services.metrics.folding.facts import FactSet
from services.metrics.measures import INDEX, MEASURES, RATES, Vector, unpacked
from services.metrics.tables.rows import Cell


@dataclass(frozen=True, slots=True)
class Scope:
    """`parks` None: all; `group` None: all groups of `by`."""

    tree: Tree
    parks: Collection[str] | None = None
    by: str | None = None
    group: str | None = None

    @classmethod
    def of(cls, tree: Tree, area: str | None, by: str | None = None, group: str | None = None) -> Scope:
        """The scope of a row of a coverage answer."""
        return cls(tree, None if area is None else tree.under(area), by, group if by else None)

    def holds(self, cell: Cell) -> bool:
        """Whether the contributions of a cell count in the scope."""
        if self.parks is not None and cell[0] not in self.parks:
            return False
        return self.group is None or self.group == self.group_of(cell)

    def may_hold(self, park: str) -> bool:
        """Whether cells of a park can count in the scope."""
        return self.by not in ("district", "park") or self.holds((park, None, None, None))

    def group_of(self, cell: Cell) -> str:
        """The code of the cell's row."""
        park, industry, size, ownership = cell
        match self.by:
            case "district":
                return self.tree.district(park)
            case "park":
                return park or UNKNOWN
            case "industry":
                return (industry or "")[:1] or UNKNOWN
            case "size":
                return size or UNKNOWN
            case _:
                return ownership or UNKNOWN


def contribution_on(facts: FactSet, as_of: date, known_at: date) -> tuple[Cell | None, Vector]:
    """(cell, contribution) of an enterprise or union on a business day, as known at a day: C(F_k, t). Cell None: it does not count."""
    day, known = as_of.toordinal(), known_at.toordinal()
    assert known >= facts.since, "the state was compacted past this day; see services.metrics.explaining.sets.known"
    segment = at(shape_known(facts, known_at), day)
    if segment.cell is None:
        return None, 0
    return segment.cell, segment.base + members_on(facts, day, known) * segment.each


def members_on(facts: FactSet, day: int, known: int) -> int:
    """The members of an enterprise or union on a business day, as known at a day; both are ordinals."""
    counts = facts.totals if known >= facts.newest else facts.members_known(known)
    # Nearly always nothing is dated later; a sum without a condition is several times faster, and long-lived enterprises have thousands of days.
    later = bool(counts) and max(counts) > day
    return sum(net for occurred, net in counts.items() if occurred <= day) if later else sum(counts.values())


def time_to_found_on(facts: FactSet, as_of: date, known_at: date) -> Duration | None:
    """How long an enterprise waited, or has been waiting, for a union on a business day, as known at a day: D(F_k, t)."""
    past = [span for span in spans(shape_known(facts, known_at)) if span.start <= as_of.toordinal()]
    return past[-1].duration if past else None


def shape_known(facts: FactSet, known_at: date) -> list[Segment]:
    """The step function of an enterprise or union as known at a day."""
    known = known_at.toordinal()
    return facts.shape if known >= facts.newest_attribute else segments(facts.in_force(known))


def parts(value: Vector, measure: str) -> tuple[int, ...]:
    """One count, or the numerator and denominator of a rate."""
    counts = unpacked(value)
    return tuple(counts[INDEX[name]] for name in RATES.get(measure, (measure,)))


def counts_of(value: Vector) -> dict[str, int]:
    """{measure: count} of a vector."""
    return dict(zip(MEASURES, unpacked(value), strict=True))
