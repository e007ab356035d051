"""What matters add to the tallies, by definition, one subject at a time."""

from __future__ import annotations

from collections.abc import MutableMapping

from services.metrics.folding.coverage import segments
from services.metrics.folding.facts import FactSet
from services.metrics.folding.tallies import add_tallies, tallies
from services.metrics.folding.tallying.tally import NONE
from services.metrics.tables.rows import TallyKey


def add_matters(facts: FactSet, rows: MutableMapping[TallyKey, int]) -> None:
    """Add the steps of T(F_k) less T(F_k−1) for each known day k of a set that forgot nothing."""
    before = NONE
    for known in sorted({*facts.attribute_days(), *facts.matter_days()}):
        after = tallies(facts.matters_in_force(known), segments(facts.in_force(known)))
        add_tallies(before, after, known, rows)
        before = after
