"""Sets of facts as known at any day.

They are read from the stored states. A state forgets closed known days (`FactSet.compact`); what it forgot is read from the table `facts`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from services.metrics.counted import MEMBERS, kind_of
from services.metrics.figures import sql
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.visibility import unrestricted
from services.metrics.folding.facts import FactChange, FactSet
from services.metrics.folding.recorded import changes_from
from shared.process.db import Record


async def sets_known(snapshot: Snapshot, states: Mapping[str, bytes], known_at: date) -> dict[str, FactSet]:
    """{subject: a set that is exact as known at the end of `known_at`}, in the order of `states`."""
    known = known_at.toordinal()
    found = {subject: FactSet.load(state) for subject, state in states.items()}
    if forgotten := [subject for subject, facts in found.items() if facts.since > known]:
        found |= await _from_events(snapshot, forgotten, known_at)
    return found


async def sets_of(snapshot: Snapshot, rows: Sequence[Record], known_at: date) -> dict[str, FactSet]:
    """As `sets_known`, for rows of (subject, state)."""
    return await sets_known(snapshot, {row["subject"]: row["state"] for row in rows}, known_at)


async def _from_events(snapshot: Snapshot, subjects: Sequence[str], known_at: date) -> dict[str, FactSet]:
    conn, generation = snapshot.conn, snapshot.generation
    changes: defaultdict[str, list[FactChange]] = defaultdict(list)
    async with unrestricted(snapshot):
        facts = await sql.facts_known(conn, generation, subjects, known_at, list(MEMBERS))
        net = await sql.members_known(conn, generation, subjects, known_at, MEMBERS)
    for row in facts:
        learned, occurred = row["known_day"].toordinal(), row["occurred_on"].toordinal()
        changes[row["subject"]] += changes_from(kind_of(row["type"]), occurred, row["sequence"], learned, row["says"])
    members: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for row in net:
        members[row["subject"]][row["occurred_on"].toordinal()] = row["net"]
    known = known_at.toordinal()
    rebuilt = {subject: FactSet.rebuilt(changes[subject], members[subject], known) for subject in subjects}
    for found in rebuilt.values():
        # Members are summed: of earlier days nothing is known.
        found.since = known
    return rebuilt
