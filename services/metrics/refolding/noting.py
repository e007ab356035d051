"""Which sets of a shard may have findings to note, told of all at once: mostly none (pure)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from services.metrics.folding.coverage import FOREVER
from services.metrics.folding.facts import FactSet
from services.metrics.refolding.segments import HEADCOUNT, REGISTRATION, START, Facts


def may_be_noted(sets: Mapping[str, FactSet], facts: Facts) -> set[str]:
    """The subjects of which `findings.noted` may find something at some known day; of all others it finds nothing.

    More members than workers needs more who ever joined than the least headcount; what is dated before settling, a fact dated before the last
    settling. Both are asked of all facts, whenever they were in force.
    """
    least, earliest, settled = (np.full(len(sets), none, np.int64) for none in (FOREVER, FOREVER, 0))
    for_least, of_units, settling = (np.isin(facts.type, types) for types in ((HEADCOUNT,), (HEADCOUNT, START), (REGISTRATION,)))
    np.minimum.at(least, facts.subject[for_least], facts.workers[for_least])
    np.minimum.at(earliest, facts.subject[of_units], facts.occurred[of_units])
    np.maximum.at(settled, facts.subject[settling], facts.occurred[settling])
    joined = np.array([own.joined for own in sets.values()], np.int64)
    subjects = list(sets)
    return {subjects[number] for number in np.flatnonzero((joined > least) | (earliest < settled)).tolist()}
