"""What one case adds to the tallies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from services.metrics.folding.coverage import FOREVER
from services.metrics.folding.durations import EPOCH
from services.metrics.folding.tallying.steps import Steps
from services.metrics.folding.tallying.tally import MatterFact, Name, ordinal
from services.metrics.matters import (
    CaseClosing,
    CaseOpening,
    CaseReopening,
    CaseStep,
    Overdue,
)


def add_case(found: Steps, facts: Sequence[MatterFact]) -> None:
    """What one case adds. Without the fact that opened it only its mediations and letters count, of no kind."""
    opening = next((fact.content for fact in reversed(facts) if isinstance(fact.content, CaseOpening)), None)
    kind = opening.kind if opening else ""
    for fact in facts:
        if isinstance(fact.content, CaseStep) and fact.content.step in (Name.MEDIATION_SETTLED, Name.MEDIATION_FAILED):
            found.event(fact.occurred, Name(fact.content.step), kind)
    _add_letters(found, facts)
    if opening is None:
        return
    reported = ordinal(opening.reported_on)
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


def _add_letters(found: Steps, facts: Sequence[MatterFact]) -> None:
    """The supervision letters of a case. Late is what its clock says was late; one that was answered without that was answered in time, and
    one without an answer is counted when its clock says so. The clock names the letter by its rank (`begun_by`), else it is the first."""
    letters = [fact for fact in facts if isinstance(fact.content, CaseStep) and fact.content.step == "supervision_letter_sent"]
    if not letters:
        return
    late = {
        fact.content.begun_by or letters[0].rank: ordinal(fact.content.due_on)
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
