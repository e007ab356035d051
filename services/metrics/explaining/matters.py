"""The matters behind a statistic: each case, contract, negotiation, congress or assessment that adds to it, with its events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.metrics.counted import BY_KIND, Correction, Withdrawal, kind_of
from services.metrics.explaining.contributors import id_of
from services.metrics.explaining.explain import Behind
from services.metrics.explaining.sets.known import sets_known
from services.metrics.figures.scope import Scope, shape_known
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.statistics import sql
from services.metrics.figures.statistics.answers import BEGINNING, BY_UNIT, Question
from services.metrics.figures.stores import name_store, set_store
from services.metrics.figures.tree import UNKNOWN
from services.metrics.figures.visibility import Row, hidden, shown_rows, unrestricted
from services.metrics.folding.facts import FactSet
from services.metrics.folding.tallies import tallies
from services.metrics.folding.tallying.tally import EVENTS, MatterFact

AT_ONCE = 400
"""Enterprises whose sets are read together."""
IDS = ("case_id", "contract_id", "negotiation_id", "congress_id", "assessment_id", "id")
START = ("", "")


@dataclass(frozen=True, slots=True)
class Matter:
    """One matter: what it adds by tally, and its events; `hidden`: the caller may not know the enterprise."""

    subject: str
    id: str
    counts: Mapping[str, int]
    ranks: frozenset[int]
    events: Sequence[Behind] = ()
    name: str | None = None
    hidden: bool = False

    @property
    def position(self) -> tuple[str, str]:
        """Its place in the list."""
        return self.subject, self.id


async def matters(
    snapshot: Snapshot, question: Question, group: str | None, after: tuple[str, str], limit: int
) -> tuple[list[Matter], bool]:
    """The next matters behind a figure, or behind one group of it, and whether there are more."""
    tree = snapshot.areas.at(question.as_of, question.known_at)
    kind = group if question.by == "kind" else None
    scope = Scope.of(tree, question.area, None if question.by == "kind" else question.by, group)
    found: list[Matter] = []
    # A subject may have further matters behind the last one shown.
    position, more = after[0][:-1] if after[0] else "", True
    while more and len(found) <= limit:
        subjects = await sql.subjects(snapshot.conn, snapshot.generation, snapshot.versions, position, scope.parks, AT_ONCE)
        more = len(subjects) == AT_ONCE
        stored = await set_store.states_of(snapshot.conn, snapshot.generation, subjects)
        sets = await sets_known(snapshot, stored, question.known_at)
        for subject in sorted(sets):
            found += [one for one in _of(subject, sets[subject], question, scope, kind) if one.position > after]
        if subjects:
            position = subjects[-1]
    return await _told(snapshot, question, found[:limit]), len(found) > limit


def _of(subject: str, facts: FactSet, question: Question, scope: Scope, kind: str | None) -> Iterator[Matter]:
    """The matters of one enterprise that add to the figure, by id."""
    shape, own = shape_known(facts, question.known_at), defaultdict[str, list[MatterFact]](list)
    for fact in facts.matters_in_force(question.known_at.toordinal()):
        own[matter_of(fact)].append(fact)
    until = question.as_of.toordinal()
    for key in sorted(own):
        counts: defaultdict[str, int] = defaultdict(int)
        for (cell, effective, name, code, _), step in tallies(own[key], shape).items():
            since = (question.since if name in EVENTS else BEGINNING).toordinal()
            if name in question.statistic.names and since <= effective <= until and scope.holds(cell) and _is_of(name, code, kind):
                counts[name] += step
        if any(counts.values()):
            told = {str(name): count for name, count in counts.items() if count}
            yield Matter(subject, key, told, frozenset(fact.rank for fact in own[key]))


def _is_of(name: str, code: str, kind: str | None) -> bool:
    if kind is not None:
        return (code or UNKNOWN) == kind and not (name in BY_UNIT and code == "")
    return code == "" if name in BY_UNIT else True


def matter_of(fact: MatterFact) -> str:
    """The id of the matter that a fact is of."""
    found = (getattr(fact.content, name, None) for name in IDS)
    return str(next(one for one in found if one is not None))


async def _told(snapshot: Snapshot, question: Question, found: Sequence[Matter]) -> list[Matter]:
    """With their events and names, as the caller may see them."""
    subjects = sorted({one.subject for one in found})
    async with unrestricted(snapshot):
        rows = [dict(row) for row in await sql.events(snapshot.conn, snapshot.generation, subjects, question.known_at)]
    shown = {row["event_id"]: row for row in await shown_rows(snapshot, rows)}
    behind, unseen = _behind(rows), await hidden(snapshot, subjects, question.as_of)
    names = await name_store.known_names(snapshot.conn, snapshot.generation, [id_of(subject) for subject in subjects])
    told = []
    for one in found:
        own = [(row, rank) for row, rank in behind[one.subject] if rank in one.ranks]
        last = {rank: row["sequence"] for row, rank in own}
        events = [Behind(shown[row["event_id"]], last[rank] == row["sequence"]) for row, rank in own if row["event_id"] in shown]
        name = None if one.subject in unseen else names.get(id_of(one.subject))
        told.append(replace(one, events=events, name=name["name"] if name else None, hidden=one.subject in unseen))
    return told


def _behind(rows: Sequence[Row]) -> Mapping[str, Sequence[tuple[Row, int]]]:
    """{subject: (event, rank of the fact that it states or corrects)}, in the order of the stream; withdrawals state none."""
    found = defaultdict[str, list[tuple[Row, int]]](list)
    for row in rows:
        match BY_KIND[kind_of(row["type"])]:
            case Withdrawal():
                continue
            case Correction():
                rank = row["says"]["withdrawn"]["rank"]
            case _:
                rank = row["sequence"]
        found[row["subject"]].append((row, rank))
    return found
