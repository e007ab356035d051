"""T(F): what the matters of one enterprise, hardship file or employment help add to the tallies, as steps over business days.

A *matter* is a case, an agreement, an assessment or aid. Its tallies are counts by (name, code, value) in a cell (`Name`); a *state* counts from
the day on which it begins until the day on which it ends, an *event* from its own day on for ever, so that a window is a difference of two
days. Pure, defined for any set of facts, of the facts and the constants of the fold_version alone (docs/design/ENGINE.md, Folding;
docs/design/DOMAIN.md, "Statistics of cases and agreements").

Where a matter counts: a case where its enterprise is on the day (before its settling where it settles, after its closing where it was
last: a case does not end with the unit); agreements and assessments count units, so only while the unit operates; aid in its own area.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import date
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple, TypeAlias

import msgspec

from services.metrics.folding.coverage import FOREVER, Segment
from services.metrics.folding.durations import EPOCH
from services.metrics.matters import (
    Aid,
    Assessment,
    CaseClosing,
    CaseOpening,
    CaseReopening,
    CaseStep,
    Congress,
    ContractInEffect,
    ContractOver,
    Hardship,
    HardshipOver,
    Help,
    MatterContent,
    Negotiating,
    Overdue,
)
from services.metrics.measures import measure, vector
from services.metrics.tables.rows import Cell, TallyKey

RESULTS = frozenset(("agreed", "coordinated", "failed"))
"""Results of negotiations that took place; `refused` and `withdrawn` did not."""

_COVERED = vector(covered_units=1)


class Name(StrEnum):
    """What is tallied, with what `code` and `value` are; 0 and the empty text where nothing is said."""

    CASE_OPEN = "case_open"
    """Open cases: kind of case; the day reported on, as days since 1970-01-01."""
    CASE_OPEN_COLLECTIVE = "case_open_collective"
    CASE_OPEN_PROXY = "case_open_proxy"
    CASE_OVERDUE = "case_overdue"
    """Open cases of which a clock passed its due day: kind of case."""
    CASE_CLOSED = "case_closed"
    """Cases that are closed: kind of case; the days from the report to the closing."""
    CASE_OPENED = "case_opened"
    """Reports of cases (event): kind of case."""
    CASE_OPENED_COVERED = "case_opened_covered"
    """Of these, of enterprises that a union covers on that day."""
    CASE_OPENED_COLLECTIVE = "case_opened_collective"
    CASE_OPENED_PROXY = "case_opened_proxy"
    MEDIATION_SETTLED = "mediation_settled"
    """Mediations settled (event): kind of case."""
    MEDIATION_FAILED = "mediation_failed"
    LETTER_IN_TIME = "letter_in_time"
    """Supervision letters answered by their due day (event, on the day of the answer): document."""
    LETTER_LATE = "letter_late"
    """Supervision letters whose due day passed without an answer (event, on the day after it): document."""
    CONTRACT = "contract"
    """Units with a contract in effect: kind of contract; with none, those with any."""
    CONTRACT_WORKERS = "contract_workers"
    """Their workers."""
    WAGE_NEGOTIATION = "wage_negotiation"
    """Units with a wage contract in effect, or with a result of a wage negotiation in the last twelve months."""
    CONGRESS = "congress"
    """Units with a workers' congress in the last twelve months."""
    HARMONIOUS = "harmonious"
    """Units with a valid assessment."""
    HARDSHIP = "hardship"
    """Hardship files that are in force: class."""
    AID_PAYMENT = "aid_payment"
    """Payments (event): fund."""
    AID_FEN = "aid_fen"
    """What they paid (event), in fen: fund."""
    HELP = "help"
    """Employment help (event): kind."""


EVENTS = frozenset(
    (
        *(Name.CASE_OPENED, Name.CASE_OPENED_COVERED, Name.CASE_OPENED_COLLECTIVE, Name.CASE_OPENED_PROXY),
        *(Name.MEDIATION_SETTLED, Name.MEDIATION_FAILED, Name.LETTER_IN_TIME, Name.LETTER_LATE),
        *(Name.AID_PAYMENT, Name.AID_FEN, Name.HELP),
    )
)
"""What is counted in a window; all others are states on a day."""


class MatterFact(msgspec.Struct, array_like=True, frozen=True):
    """One fact of a matter. Its fields, and how it is stored, are those of `coverage.AttributeFact`."""

    kind: str
    occurred: int
    rank: int
    known: int
    until: int
    content: MatterContent


Entry: TypeAlias = tuple[Cell, int, str, str, int]
"""(cell, effective day, name, code, value)"""
Tallies: TypeAlias = Mapping[Entry, int]
"""{entry: step}"""
NONE: Tallies = {}

Span: TypeAlias = tuple[int, int]
"""From a day to before another."""


class _Piece(NamedTuple):
    start: int
    end: int
    cell: Cell
    workers: int


_in_order = attrgetter("occurred", "rank")


def tallies(facts: Sequence[MatterFact], shape: Sequence[Segment]) -> Tallies:
    """The steps of a set of matters of an enterprise whose step function of coverage is `shape`."""
    if not facts:
        return NONE
    found = _Steps(shape)
    cases, contracts = _Grouped(), _Grouped()
    files: list[MatterFact] = []
    wages, congresses, assessed = list[Span](), list[Span](), list[Span]()
    for fact in sorted(facts, key=_in_order):
        content, day = fact.content, fact.occurred
        match content:
            case CaseOpening() | CaseStep() | CaseClosing() | CaseReopening():
                cases[content.case_id].append(fact)
            case Overdue(noun="case"):
                cases[content.id].append(fact)
            case ContractInEffect() | ContractOver():
                contracts[content.contract_id].append(fact)
            case Negotiating(kind="wage", step="result", result=result) if result in RESULTS:
                wages.append((day, year_after(day)))
            case Congress():
                congresses.append((day, year_after(day)))
            case Assessment(assessed="enterprise"):
                assessed.append((day, _day_after(content.valid_until)))
            case Hardship() | HardshipOver():
                files.append(fact)
            case Aid():
                found.event_in(content.area, day, Name.AID_PAYMENT, content.fund, 1)
                found.event_in(content.area, day, Name.AID_FEN, content.fund, content.amount_fen)
            case Help():
                found.event_in(content.area, day, Name.HELP, content.kind, 1)
            case _:
                pass
    for own in cases.values():
        _add_case(found, own)
    in_effect = defaultdict[str, list[Span]](list)
    for own in contracts.values():
        for kind, span in _in_effect(own):
            in_effect[kind].append(span)
    found.units(Name.CONTRACT, "", [span for spans in in_effect.values() for span in spans], Name.CONTRACT_WORKERS)
    for kind, spans in in_effect.items():
        found.units(Name.CONTRACT, kind, spans, Name.CONTRACT_WORKERS)
    found.units(Name.WAGE_NEGOTIATION, "", [*wages, *in_effect.get("wage", ())])
    found.units(Name.CONGRESS, "", congresses)
    found.units(Name.HARMONIOUS, "", assessed)
    _add_file(found, files)
    return {entry: step for entry, step in found.steps.items() if step}


def case_of(content: object) -> str | None:
    """The case that a fact is about; None: it is about no case. Each case adds to the tallies by itself."""
    match content:
        case CaseOpening() | CaseStep() | CaseClosing() | CaseReopening():
            return content.case_id
        case Overdue(noun="case"):
            return content.id
        case _:
            return None


def add_tallies(before: Tallies, after: Tallies, known: int, rows: MutableMapping[TallyKey, int]) -> None:
    """Add the steps of `after` less those of `before`, at a known day."""
    if before == after:
        return
    for steps, sign in ((before, -1), (after, 1)):
        for (cell, effective, name, code, value), step in steps.items():
            key = (cell, effective, known, name, code, value)
            rows[key] = rows.get(key, 0) + sign * step


@lru_cache(maxsize=16_384)
def year_after(day: int) -> int:
    """The first day that is twelve months after another: of 29 February, 1 March."""
    on = date.fromordinal(day)
    if on.year == date.max.year:
        return FOREVER
    try:
        return on.replace(year=on.year + 1).toordinal()
    except ValueError:
        return date(on.year + 1, 3, 1).toordinal()


class _Grouped(defaultdict[str, list[MatterFact]]):
    """Facts by the id of their matter, in order."""

    def __init__(self) -> None:
        super().__init__(list)


class _Steps:
    """Collects the steps of one subject."""

    def __init__(self, shape: Sequence[Segment]) -> None:
        self.steps: defaultdict[Entry, int] = defaultdict(int)
        self._operating = [
            _Piece(one.start, end, one.cell, measure(one.base, "workers"))
            for one, end in zip(shape, [*(one.start for one in shape[1:]), FOREVER], strict=False)
            if one.cell is not None
        ]
        self._covered = [(one.start, one.cell is not None and bool(one.base & _COVERED)) for one in shape]
        self._placed = _placed(self._operating)
        self._starts = [piece.start for piece in self._placed]

    def covered_on(self, day: int) -> bool:
        """Whether a union covers the unit, which operates, on a day."""
        index = bisect_right(self._covered, (day, True))
        return index > 0 and self._covered[index - 1][1]

    def state(self, span: Span, name: Name, code: str, value: int = 0) -> None:
        """Something that holds from a day to before another, wherever the enterprise is meanwhile."""
        self._add(self._placed, span, name, code, value)

    def event(self, day: int, name: Name, code: str) -> None:
        """Something that happened on a day: it stays where the enterprise was then."""
        index = max(0, bisect_right(self._starts, day) - 1)
        if self._placed:
            self.steps[self._placed[index].cell, day, name, code, 0] += 1

    def event_in(self, area: str | None, day: int, name: Name, code: str, count: int) -> None:
        """Something that happened in an area."""
        self.steps[(area, None, None, None), day, name, code, 0] += count

    def state_in(self, area: str, span: Span, name: Name, code: str) -> None:
        """Something that holds in an area."""
        start, end = span
        if start < end:
            self.steps[(area, None, None, None), start, name, code, 0] += 1
            if end < FOREVER:
                self.steps[(area, None, None, None), end, name, code, 0] -= 1

    def units(self, name: Name, code: str, spans: Iterable[Span], workers: Name | None = None) -> None:
        """The unit counts once while it operates and any of the spans holds, and with it its workers."""
        for span in _united(spans):
            self._add(self._operating, span, name, code, 0)
            if workers is not None:
                self._add(self._operating, span, workers, code, 0, each=True)

    def _add(self, pieces: Sequence[_Piece], span: Span, name: Name, code: str, value: int, *, each: bool = False) -> None:
        for piece in pieces:
            start, end = max(piece.start, span[0]), min(piece.end, span[1])
            count = piece.workers if each else 1
            if start < end and count:
                self.steps[piece.cell, start, name, code, value] += count
                if end < FOREVER:
                    self.steps[piece.cell, end, name, code, value] -= count


def _placed(operating: Sequence[_Piece]) -> list[_Piece]:
    """Where cases of the enterprise count, for every day: from its settling on backwards, and after its closing."""
    found = list[_Piece]()
    for piece in operating:
        if found and found[-1].cell == piece.cell:
            continue
        if found:
            found[-1] = found[-1]._replace(end=piece.start)
        found.append(_Piece(piece.start if found else 0, FOREVER, piece.cell, 0))
    return found


def _united(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans without overlaps."""
    last: Span | None = None
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if last is not None and start <= last[1]:
            last = (last[0], max(last[1], end))
            continue
        if last is not None:
            yield last
        last = (start, end)
    if last is not None:
        yield last


def _add_case(found: _Steps, facts: Sequence[MatterFact]) -> None:
    """What one case adds. Without the fact that opened it only its mediations and letters count, of no kind."""
    opening = next((fact.content for fact in reversed(facts) if isinstance(fact.content, CaseOpening)), None)
    kind = opening.kind if opening else ""
    for fact in facts:
        if isinstance(fact.content, CaseStep) and fact.content.step in (Name.MEDIATION_SETTLED, Name.MEDIATION_FAILED):
            found.event(fact.occurred, Name(fact.content.step), kind)
    _add_letters(found, facts)
    if opening is None:
        return
    reported = _ordinal(opening.reported_on)
    found.event(reported, Name.CASE_OPENED, kind)
    if found.covered_on(reported):
        found.event(reported, Name.CASE_OPENED_COVERED, kind)
    if opening.collective:
        found.event(reported, Name.CASE_OPENED_COLLECTIVE, kind)
    if opening.collective_proxy:
        found.event(reported, Name.CASE_OPENED_PROXY, kind)
    overdue = min((fact.occurred for fact in facts if isinstance(fact.content, Overdue)), default=FOREVER)
    for start, end, closed in _life(facts, reported):
        if closed is not None:
            found.state((start, end), Name.CASE_CLOSED, kind, max(0, closed - reported))
            continue
        found.state((start, end), Name.CASE_OPEN, kind, reported - EPOCH)
        if opening.collective:
            found.state((start, end), Name.CASE_OPEN_COLLECTIVE, kind)
        if opening.collective_proxy:
            found.state((start, end), Name.CASE_OPEN_PROXY, kind)
        found.state((max(start, overdue), end), Name.CASE_OVERDUE, kind)


def _life(facts: Iterable[MatterFact], reported: int) -> Iterator[tuple[int, int, int | None]]:
    """(from, to before, the day of the closing or None while open) of a case from its report on: the last closing or reopening says which."""
    start, closed = reported, None
    for fact in facts:
        if not isinstance(fact.content, CaseClosing | CaseReopening):
            continue
        following = fact.occurred if isinstance(fact.content, CaseClosing) else None
        day = max(fact.occurred, reported)
        if (following is None) == (closed is None):
            continue
        if start < day:
            yield start, day, closed
        start, closed = day, following
    yield start, FOREVER, closed


def _add_letters(found: _Steps, facts: Sequence[MatterFact]) -> None:
    """The supervision letters of a case. Late is what its clock says was late; one that was answered without that was answered in time, and
    one without an answer is counted when its clock says so. The clock names the letter by its rank (`begun_by`), else it is the first."""
    letters = [fact for fact in facts if isinstance(fact.content, CaseStep) and fact.content.step == "supervision_letter_sent"]
    if not letters:
        return
    late = {
        fact.content.begun_by or letters[0].rank: _ordinal(fact.content.due_on)
        for fact in facts
        if isinstance(fact.content, Overdue) and fact.content.clock == "supervision_reply"
    }
    answered = _answers(facts, letters)
    for letter in letters:
        assert isinstance(letter.content, CaseStep)
        due, answer, document = late.get(letter.rank), answered.get(letter.rank), letter.content.document or ""
        if answer is not None and (due is None or answer <= due):
            found.event(answer, Name.LETTER_IN_TIME, document)
        elif due is not None:
            found.event(due + 1, Name.LETTER_LATE, document)


def _answers(facts: Iterable[MatterFact], letters: Sequence[MatterFact]) -> dict[int, int]:
    """{rank of a letter: the day of its first answer}. An answer that names no letter is that to the oldest one without an answer."""
    found: dict[int, int] = {}
    ranks = {letter.rank for letter in letters}
    for fact in facts:
        content = fact.content
        if not isinstance(content, CaseStep) or content.step != "replied":
            continue
        to = content.letter if content.letter in ranks else None
        if to is None:
            to = next((letter.rank for letter in letters if letter.rank not in found and letter.occurred <= fact.occurred), None)
        if to is not None:
            found.setdefault(to, fact.occurred)
    return found


def _in_effect(facts: Iterable[MatterFact]) -> Iterator[tuple[str, Span]]:
    """(kind, span) of each time for which one contract is in effect."""
    over = min((fact.occurred for fact in facts if isinstance(fact.content, ContractOver)), default=FOREVER)
    for fact in facts:
        if isinstance(fact.content, ContractInEffect):
            yield fact.content.kind, (fact.occurred, min(_day_after(fact.content.until), over))


def _add_file(found: _Steps, facts: Sequence[MatterFact]) -> None:
    """A hardship file: the last decision or end by a day says what it is on that day."""
    for fact, end in zip(facts, [*(fact.occurred for fact in facts[1:]), FOREVER], strict=False):
        if isinstance(fact.content, Hardship) and fact.content.classification != "none":
            found.state_in(fact.content.area, (fact.occurred, end), Name.HARDSHIP, fact.content.classification)


@lru_cache(maxsize=16_384)
def _ordinal(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def _day_after(day: str | None) -> int:
    """The day after a last day; FOREVER without one."""
    return FOREVER if day is None else min(_ordinal(day) + 1, FOREVER)
