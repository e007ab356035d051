"""Findings about the facts behind figures, as of a business day and as known at a day: how many enterprises have each, and which.

Two are told by the measures of the ledger. Of the other two (`folding.findings`) those sets of facts are read that are noted in `states`, which
are few; whether a finding holds on the day is decided here, from the facts alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from services.metrics.explaining.contributors import id_of
from services.metrics.explaining.sets.columns import Mask, Sets
from services.metrics.explaining.sets.known import sets_of
from services.metrics.explaining.sets.standing import read, standing_if_few
from services.metrics.explaining.waits import MOST_READ
from services.metrics.figures.findings import MEANINGS, Finding
from services.metrics.figures.questions import ALL, CoverageResult, Row
from services.metrics.figures.scope import Scope, contribution_on, counts_of
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import name_store, set_store
from services.metrics.figures.visibility import hidden
from services.metrics.folding.facts import FactSet
from services.metrics.folding.findings import Noted, before_settled
from services.metrics.folding.steps import NEVER, Ints
from services.metrics.tables.rows import Cell

CountsOfOne = Mapping[str, int]
Noticed = Mapping[tuple[str, Finding], tuple[int, int, int]]
"""{(code of a row, finding that no measure tells): (enterprises, their members, their workers)}"""


@dataclass(frozen=True, slots=True)
class Found:
    """One finding of one group: how many enterprises, and the members and workers of them (0 where the figures do not say)."""

    finding: Finding
    count: int
    members: int = 0
    workers: int = 0


def name_of_finding(finding: Finding, language: str) -> str:
    """The name of a finding."""
    meaning = MEANINGS[finding]
    return meaning.name_en if language == "en" else meaning.name_zh


def what_to_do(finding: Finding, language: str) -> str:
    """What an officer does about it."""
    meaning = MEANINGS[finding]
    return meaning.next_en if language == "en" else meaning.next_zh


def text_of_finding(found: Found, language: str) -> str:
    """What was found, with its numbers."""
    meaning = MEANINGS[found.finding]
    text = meaning.text_en if language == "en" else meaning.text_zh
    return text.format(count=format(found.count, ","), members=format(found.members, ","), workers=format(found.workers, ","))


NOTED: Mapping[Finding, Noted] = {Finding.MEMBERS_OVER_WORKERS: Noted.MEMBERS_OVER_WORKERS, Finding.BEFORE_SETTLED: Noted.BEFORE_SETTLED}
"""{finding that no measure tells: its bit}"""


def is_over(counts: CountsOfOne) -> bool:
    """Whether an enterprise has more members than workers. Where the headcount is unknown nobody can say."""
    return bool(counts["units_headcount_known"]) and counts["members"] > counts["workers"]


def _on(facts: FactSet, as_of: date, known_at: date) -> tuple[Cell | None, CountsOfOne, set[Finding]]:
    """The cell, the counts and the findings of one enterprise on a day; no cell: it does not operate."""
    cell, value = contribution_on(facts, as_of, known_at)
    counts = counts_of(value)
    if cell is None or not counts["units"]:
        return None, counts, set()
    holds = {
        Finding.MEMBERS_OVER_WORKERS: is_over(counts),
        Finding.HEADCOUNT_UNKNOWN: not counts["units_headcount_known"],
        Finding.HEADCOUNT_STALE: bool(counts["units_headcount_stale"]),
        Finding.BEFORE_SETTLED: before_settled(facts.in_force(known_at.toordinal()), as_of.toordinal()),
    }
    return cell, counts, {finding for finding, true in holds.items() if true}


async def of_answer(snapshot: Snapshot, answer: CoverageResult) -> dict[str, list[Found]]:
    """{code of a row, ALL for the total: its findings} of an answer."""
    scope = Scope.of(snapshot.areas.at(answer.as_of, answer.known_at), answer.area, answer.by)
    amounts = await noticed(snapshot, scope, answer.as_of, answer.known_at, grouped=answer.by is not None)
    return {row.code: of_row(row, amounts) for row in (*answer.rows, answer.total)}


async def noticed(snapshot: Snapshot, scope: Scope, as_of: date, known_at: date, *, grouped: bool) -> Noticed:
    """What the findings of a scope need besides its figures; `grouped`: for its groups, too."""
    found = await standing_if_few(snapshot, scope.parks, as_of, known_at, MOST_READ)
    amounts: defaultdict[tuple[str, Finding], tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))

    def add(code: str, finding: Finding, more: tuple[int, int, int]) -> None:
        for key in {(ALL, finding), (code, finding)} if grouped else {(ALL, finding)}:
            count, members, workers = amounts[key]
            amounts[key] = count + more[0], members + more[1], workers + more[2]

    if found is None:
        others = await _of_noted(snapshot, tuple(NOTED), scope, as_of, known_at)
    else:
        others = [
            one
            async for subject, facts in read(snapshot, found.rest, known_at)
            for one in _of_set(subject, facts, tuple(NOTED), scope, as_of, known_at)
        ]
    for finding, one in others:
        add(scope.group_of(one.cell) if grouped else ALL, finding, (1, one.members, one.workers or 0))
    if found is not None:
        sets, operating = found.sets, _operating(found.sets, found.told, scope)
        groups = sets.groups(scope) if grouped else None
        for finding in NOTED:
            for code, more in _summed(sets, np.flatnonzero(operating & _holds(finding, sets)), groups):
                add(code, finding, more)
    return amounts


def _summed(sets: Sets, at: Ints, groups: tuple[Sequence[str], Ints] | None) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """(code of the group, (enterprises, their members, their workers)) of some sets; `groups` as `Sets` has them, None: they are one group."""
    if not len(at):
        return
    members, workers = sets.counts["members"][at], sets.counts["workers"][at]
    if groups is None:
        yield ALL, (len(at), int(members.sum()), int(workers.sum()))
        return
    codes, numbers = groups
    sums = [np.bincount(numbers[sets.cells[at]], weights, len(codes)) for weights in (None, members, workers)]
    for number in np.flatnonzero(sums[0]).tolist():
        yield codes[number], (int(sums[0][number]), int(sums[1][number]), int(sums[2][number]))


def _operating(sets: Sets, told: Mask, scope: Scope) -> Mask:
    """Which of the told sets are enterprises that operate in the scope."""
    found: Mask = told & sets.counting(scope) & (sets.counts["units"] != 0)
    return found


async def _of_noted(
    snapshot: Snapshot, findings: Sequence[Finding], scope: Scope, as_of: date, known_at: date
) -> list[tuple[Finding, Concerned]]:
    """As `_concerned`, by the states of the sets that are noted."""
    bits = Noted(sum(NOTED.get(finding, Noted.NONE) for finding in findings))
    rows = set_store.states_noted(snapshot.conn, snapshot.generation, int(bits), scope.parks)
    sets = [item async for some in rows for item in (await sets_of(snapshot, some, known_at)).items()]
    return [found for subject, facts in sets for found in _of_set(subject, facts, findings, scope, as_of, known_at)]


async def _concerned(
    snapshot: Snapshot, findings: Sequence[Finding], scope: Scope, as_of: date, known_at: date
) -> list[tuple[Finding, Concerned]]:
    """Every enterprise of a scope with one of some findings on the day, in no order, without names."""
    most = MOST_READ if NOTED.keys() >= {*findings} else None
    standing_sets = await standing_if_few(snapshot, scope.parks, as_of, known_at, most)
    if standing_sets is None:
        return await _of_noted(snapshot, findings, scope, as_of, known_at)
    sets, found = standing_sets.sets, list[tuple[Finding, Concerned]]()
    operating = _operating(sets, standing_sets.told, scope)
    for finding in findings:
        at = np.flatnonzero(operating & _holds(finding, sets))
        columns = (sets.subjects, sets.cells, *(sets.counts[name] for name in ("members", "workers", "units_headcount_known")))
        for subject, cell, members, workers, told in zip(*(column[at].tolist() for column in columns), strict=True):
            found.append((finding, Concerned(subject.decode(), sets.cell[cell], members, workers if told else None)))
    async for subject, facts in read(snapshot, standing_sets.rest, known_at):
        found += _of_set(subject, facts, findings, scope, as_of, known_at)
    return found


def _holds(finding: Finding, sets: Sets) -> Mask:
    """Which operating enterprises have a finding."""
    counts = sets.counts
    found: Mask
    match finding:
        case Finding.MEMBERS_OVER_WORKERS:
            found = (counts["units_headcount_known"] != 0) & (counts["members"] > counts["workers"])
        case Finding.HEADCOUNT_UNKNOWN:
            found = counts["units_headcount_known"] == 0
        case Finding.HEADCOUNT_STALE:
            found = counts["units_headcount_stale"] != 0
        case Finding.BEFORE_SETTLED:
            found = (sets.early != NEVER) & (sets.early <= sets.day)
    return found


def _of_set(
    subject: str, facts: FactSet, findings: Sequence[Finding], scope: Scope, as_of: date, known_at: date
) -> list[tuple[Finding, Concerned]]:
    cell, counts, holds = _on(facts, as_of, known_at)
    if cell is None or not scope.holds(cell):
        return []
    workers = counts["workers"] if counts["units_headcount_known"] else None
    return [(finding, Concerned(subject, cell, counts["members"], workers)) for finding in findings if finding in holds]


def of_row(row: Row, amounts: Noticed) -> list[Found]:
    """The findings of one row, in the order of `Finding`, without those of no enterprise."""
    counts = row.measures
    told = [_told(finding, counts, amounts.get((row.code, finding), ())) for finding in Finding]
    return [one for one in told if one.count]


def _told(finding: Finding, counts: CountsOfOne, noted: Collection[int]) -> Found:
    match finding:
        case Finding.HEADCOUNT_UNKNOWN:
            return Found(finding, counts["units"] - counts["units_headcount_known"], counts["members_headcount_unknown"])
        case Finding.HEADCOUNT_STALE:
            return Found(finding, counts["units_headcount_stale"])
        case Finding.MEMBERS_OVER_WORKERS | Finding.BEFORE_SETTLED:
            return Found(finding, *(noted or (0, 0, 0)))


@dataclass(frozen=True, slots=True)
class Concerned:
    """One enterprise with a finding; `workers` None: unknown. `hidden`: by now it is known to have been outside the caller's areas on the day, so
    it counts and is not named."""

    subject: str
    cell: Cell
    members: int
    workers: int | None
    name: str | None = None
    credit_code: str | None = None
    hidden: bool = False

    @property
    def key(self) -> tuple[int, int, str]:
        """The most members over workers first, then the largest."""
        workers = self.workers or 0
        return -max(0, self.members - workers), -workers, self.subject


async def enterprises(snapshot: Snapshot, finding: Finding, scope: Scope, as_of: date, known_at: date) -> list[Concerned]:
    """Every enterprise of a scope with a finding on the day, in the order of `Concerned.key`, without names."""
    found = await _concerned(snapshot, [finding], scope, as_of, known_at)
    return sorted((one for _, one in found), key=lambda one: one.key)


async def named(snapshot: Snapshot, found: Sequence[Concerned], as_of: date) -> list[Concerned]:
    """The same with names and credit codes, and which of them are hidden from the caller."""
    unseen = await hidden(snapshot, [one.subject for one in found], as_of)
    rows = await name_store.known_names(
        snapshot.conn, snapshot.generation, [id_of(one.subject) for one in found if one.subject not in unseen]
    )
    listed = []
    for one in found:
        row = rows.get(id_of(one.subject))
        if one.subject in unseen:
            listed.append(replace(one, hidden=True))
        else:
            listed.append(replace(one, name=row["name"], credit_code=row["credit_code"]) if row else one)
    return listed
