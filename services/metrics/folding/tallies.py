"""T(F): what the matters of one enterprise, hardship file or employment help add to the tallies, as steps over business days.

A *matter* is a case, an agreement, an assessment or aid. Its tallies are counts by (name, code, value) in a cell (`Name`); a *state* counts from
the day on which it begins until the day on which it ends, an *event* from its own day on for ever, so that a window is a difference of two
days. Pure, defined for any set of facts, of the facts and the constants of the fold_version alone (docs/design/ENGINE.md, Folding;
docs/design/DOMAIN.md, "Statistics of cases and agreements").

Where a matter counts: a case where its enterprise is on the day (before its settling where it settles, after its closing where it was
last: a case does not end with the unit); agreements and assessments count units, so only while the unit operates; aid in its own area.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from operator import attrgetter

from services.metrics.folding.coverage import FOREVER, Segment
from services.metrics.folding.tallying.cases import add_case
from services.metrics.folding.tallying.steps import Steps
from services.metrics.folding.tallying.tally import NONE, MatterFact, Name, Span, Tallies, day_after, year_after
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
    Negotiating,
    Overdue,
)
from services.metrics.tables.rows import TallyKey

RESULTS = frozenset(("agreed", "coordinated", "failed"))
"""Results of negotiations that took place; `refused` and `withdrawn` did not."""


_in_order = attrgetter("occurred", "rank")


def tallies(facts: Sequence[MatterFact], shape: Sequence[Segment]) -> Tallies:
    """The steps of a set of matters of an enterprise whose step function of coverage is `shape`."""
    if not facts:
        return NONE
    found = Steps(shape)
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
                assessed.append((day, day_after(content.valid_until)))
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
        add_case(found, own)
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


class _Grouped(defaultdict[str, list[MatterFact]]):
    """Facts by the id of their matter, in order."""

    def __init__(self) -> None:
        super().__init__(list)


def _in_effect(facts: Iterable[MatterFact]) -> Iterator[tuple[str, Span]]:
    """(kind, span) of each time for which one contract is in effect."""
    over = min((fact.occurred for fact in facts if isinstance(fact.content, ContractOver)), default=FOREVER)
    for fact in facts:
        if isinstance(fact.content, ContractInEffect):
            yield fact.content.kind, (fact.occurred, min(day_after(fact.content.until), over))


def _add_file(found: Steps, facts: Sequence[MatterFact]) -> None:
    """A hardship file: the last decision or end by a day says what it is on that day."""
    for fact, end in zip(facts, [*(fact.occurred for fact in facts[1:]), FOREVER], strict=False):
        if isinstance(fact.content, Hardship) and fact.content.classification != "none":
            found.state_in(fact.content.area, (fact.occurred, end), Name.HARDSHIP, fact.content.classification)
