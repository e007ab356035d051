"""What all facts but members add to the ledger, to the durations and to the tallies, by definition, one subject at a time; and the shapes by
which members count."""

from __future__ import annotations

from collections.abc import Sequence

from services.metrics.folding.coverage import FOREVER, Segment, segments
from services.metrics.folding.durations import add_durations
from services.metrics.folding.facts import FactSet
from services.metrics.folding.tallies import add_tallies, tallies
from services.metrics.folding.tallying.tally import NONE
from services.metrics.refolding.member_ledger import MemberShape, member_shape
from services.metrics.tables.rows import Figures, Rows


def attribute_rows(facts: FactSet, rows: Rows) -> list[MemberShape]:
    """Add the steps of C(F_k) less C(F_k−1) without members, of D and of T, for each known day k of a set that forgot nothing. Returns its shapes for
    members."""
    found, shape, attributes = list[MemberShape](), list[Segment](), facts.attributes
    days = {fact.known for fact in attributes}
    lasting = len(days) == 1 and all(fact.until == FOREVER for fact in attributes)
    for known in days if lasting else sorted(set(facts.attribute_days())):
        following = segments(attributes if lasting else facts.in_force(known))
        add_steps(shape, following, known, rows.figures)
        add_durations(shape, following, known, rows.durations)
        if facts.members:
            of_members = member_shape(known, following)
            if not found or found[-1].segments != of_members.segments:
                found.append(of_members)
        shape = following
    if facts.matters:
        _add_matters(facts, rows)
    return found


def _add_matters(facts: FactSet, rows: Rows) -> None:
    before = NONE
    for known in sorted({*facts.attribute_days(), *facts.matter_days()}):
        after = tallies(facts.matters_in_force(known), segments(facts.in_force(known)))
        add_tallies(before, after, known, rows.tallies)
        before = after


def add_steps(before: Sequence[Segment], after: Sequence[Segment], known: int, rows: Figures) -> None:
    """Add the steps of `after` without members less those of `before`, at a known day. What both begin with has no difference."""
    same = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        same += 1
    for shape, sign in ((before, -1), (after, 1)):
        cell, base = (shape[same - 1].cell, shape[same - 1].base) if same else (None, 0)
        for segment in shape[same:]:
            if cell is not None:
                rows[cell, segment.start, known] -= sign * base
            cell, base = segment.cell, segment.base
            if cell is not None:
                rows[cell, segment.start, known] += sign * base
