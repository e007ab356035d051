"""What all facts but members add to the ledger and to the durations, by definition, one enterprise or union at a time; and the shapes by which members count."""

from __future__ import annotations

from services.metrics.folding.coverage import Segment, segments
from services.metrics.folding.durations import add_durations
from services.metrics.folding.facts import FactSet
from services.metrics.folding.ledger import add_difference
from services.metrics.refolding.member_ledger import MemberShape, member_shape
from services.metrics.tables.rows import Rows


def attribute_rows(facts: FactSet, rows: Rows) -> list[MemberShape]:
    """Add the steps of C(F_k) less C(F_k−1) without members, and of D, for each known day k of a set that forgot nothing. Returns its shapes for members."""
    found, shape = list[MemberShape](), list[Segment]()
    for known in sorted(set(facts.attribute_days())):
        following = segments(facts.in_force(known))
        add_difference(shape, following, {}, known, rows.figures)
        add_durations(shape, following, known, rows.durations)
        of_members = member_shape(known, following)
        if not found or found[-1].segments != of_members.segments:
            found.append(of_members)
        shape = following
    return found
