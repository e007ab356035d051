"""The limitation of arbitration: one year, interrupted and suspended, and for remuneration not while employed."""

from __future__ import annotations

from datetime import date

from services.cases.clocks.clock import Clock
from services.cases.clocks.counting import Counting, Ends, merged, suspensions
from services.cases.clocks.families.claims import claim_of
from services.cases.clocks.happened import Happened, Timeline, day_of
from services.cases.clocks.names import Reason

NAME = "arbitration_limitation"
INTERRUPTING = ("interrupted", "mediation_applied", "mediation_failed", "mediation_settled", "inspection_complained")
"""What begins the year anew: a step of its own with its ground, an application for mediation, a complaint to the department, the other
side's consent in a settlement (Case-handling Rules 2017, art. 27), and the day on which mediation failed (Consultation Provisions 2011,
art. 31). An application for arbitration ends the clock."""


def limitation(line: Timeline, counting: Counting) -> list[Clock]:
    """One year from when the worker knew or should have known (Mediation and Arbitration Law, art. 27).

    Interruption begins the year anew, if it has not passed; suspension leaves its days out (Case-handling Rules 2017, arts 27, 28). For
    remuneration the year begins with the end of employment, whatever came before (art. 27(4)); until then the reason is EMPLOYED.
    """
    claim = claim_of(line)
    if claim is None:
        return []
    ends = Ends(day_of(line.named("arbitration_applied")), day_of(line.named("suit_filed", "judged")))
    first = claim.opened
    starts_on = claim.knew_on
    article = "27"
    if claim.remuneration:
        article = "27(4)"
        ended = line.named("employment_ended")
        if not ended:
            return [counting.waiting(NAME, Reason.EMPLOYED, ends, article=article)]
        first = ended[-1]
        starts_on = first.on
    return [_interrupted(line, counting, first, starts_on, ends, article)]


def _interrupted(line: Timeline, counting: Counting, first: Happened, starts_on: date, ends: Ends, article: str) -> Clock:
    """The clock from its last start; what comes behind the end of the year no longer interrupts it.

    If nobody knows whether that end rolls, it is the end before rolling: the bound that is published stays true.
    """
    intervals = merged(suspensions(line, NAME))
    begun_by = first.rank
    for fact in line.named(*INTERRUPTING):
        if fact.on <= starts_on or (ends.met_on is not None and fact.on >= ends.met_on):
            continue
        until_then = counting.running(NAME, starts_on, Ends(fact.on), suspended=intervals)
        last_day = until_then.due_on or until_then.not_before
        if last_day is not None and fact.on > last_day:
            break
        starts_on, begun_by = fact.on, fact.rank
    return counting.running(NAME, starts_on, ends, suspended=intervals, begun_by=begun_by, article=article)
