"""The clocks of negotiations and contracts."""

from __future__ import annotations

from datetime import date

from services.cases.clocks.clock import Clock
from services.cases.clocks.counting import Counting, Ends, ends_of, period_of
from services.cases.clocks.happened import Happened, Start, Timeline, day_of
from services.cases.clocks.names import Reason
from services.cases.clocks.periods import DAY, DayKind, months_later
from services.cases.rulebook.defaults import DEFAULTS

WAGE = "wage"
EMPLOYER = "employer"


def negotiation_clocks(line: Timeline, counting: Counting) -> list[Clock]:
    """The reply to an invitation, 20 days from its receipt (Provisions on Collective Contracts 2004, art. 32); places differ.

    A session is a reply, too: who negotiates has agreed to.
    """
    start = line.start("invited")
    if start.fact is None:
        return []
    ends = ends_of(line, start, ("replied", "session"), ("result",))
    received_on = start.fact.said.get("received_on") or start.fact.on
    return [counting.running("negotiation_reply", received_on, ends, begun_by=start.fact.rank, party=start.fact.said.get("party"))]


def contract_clocks(line: Timeline, counting: Counting) -> list[Clock]:
    """Submission, effect, publication and renewal of a contract; wage contracts have periods of their own."""
    start = line.start("signed")
    if start.fact is None:
        return []
    signed = start.fact
    kind = "wage_" if signed.said.get("kind") == WAGE else ""
    effect = _effect(line, counting)
    clocks = [_submission(line, counting, start, signed, f"{kind}contract_submission"), _publication(line, counting, effect, kind), effect]
    renewal = _renewal(line, counting, signed, f"{kind}contract_renewal")
    return clocks if renewal is None else [*clocks, renewal]


def _submission(line: Timeline, counting: Counting, start: Start, signed: Happened, rule: str) -> Clock:
    """By the employer, within 10 days of the signatures (Provisions 2004, art. 42), wage contracts 7 (order 9, art. 21).

    In some places it begins with the written notice of the congress's approval, which the rule's `from` says.
    """
    ends = ends_of(line, start, ("submitted", "received"), ("terminated",))
    ruling = counting.rules.at(rule, counting.path, signed.on)
    begins = "signed_on" if ruling is None else ruling.value["from"]
    starts_on = signed.said.get(begins) or (signed.on if begins == "signed_on" else None)
    if starts_on is None:
        return counting.waiting("contract_submission", Reason.NOT_NOTIFIED, ends, rule=rule, party=EMPLOYER)
    return counting.running("contract_submission", starts_on, ends, rule=rule, ruling=ruling, party=EMPLOYER, begun_by=signed.rank)


def _effect(line: Timeline, counting: Counting) -> Clock:
    """In force if the authority does not object within 15 days of receipt (Labour Contract Law, art. 54): `due_on` is the day of effect.

    It is met by the passing of time. An objection that comes in time stops it; what is submitted anew is received anew.
    """
    start = line.start("received")
    objections, terminations = line.since(start, "objected"), line.since(start, "terminated")
    if start.fact is None:
        return counting.waiting("contract_effect", Reason.NOT_RECEIVED, Ends(None, day_of([*objections, *terminations])))
    by_time = counting.running("contract_effect", start.fact.on, Ends(), begun_by=start.fact.rank)
    in_time = [fact for fact in objections if by_time.due_on is None or fact.on <= by_time.due_on]
    met_on = None if in_time else day_of(line.since(start, "effective")) or by_time.due_on
    ends = Ends(met_on, day_of([*in_time, *terminations]))
    return counting.running("contract_effect", start.fact.on, ends, begun_by=start.fact.rank)


def _publication(line: Timeline, counting: Counting, effect: Clock, kind: str) -> Clock:
    """Within 5 days of the effect for wage contracts (order 9, art. 23); for others the law only says without delay."""
    ends = Ends(day_of(line.named("published")), day_of(line.named("terminated")))
    rule = f"{kind}contract_publication"
    if effect.met_on is None:
        return counting.waiting("contract_publication", Reason.NOT_EFFECTIVE, ends, rule=rule, party=EMPLOYER)
    return counting.running("contract_publication", effect.met_on, ends, rule=rule, party=EMPLOYER, begun_by=effect.begun_by)


def _renewal(line: Timeline, counting: Counting, signed: Happened, rule: str) -> Clock | None:
    """From 3 months before the contract's end to its end (Provisions 2004, art. 38), wage contracts 60 days (order 9, art. 24).

    It is counted backwards and ends with the contract, on a rest day, too.
    """
    term_until: date | None = signed.said.get("term_until")
    if term_until is None:
        return None
    ends = Ends(day_of(line.named("renewed")), day_of(line.named("terminated"))).settled(counting.closed_on)
    row = DEFAULTS[rule]
    ruling = counting.rules.at(rule, counting.path, signed.on)
    if ruling is None:
        return counting.waiting("contract_renewal", Reason.NO_RULE, ends, rule=rule)
    period = period_of(ruling.value)
    begins = months_later(term_until, -period.length) if period.kind is DayKind.MONTHS else term_until - DAY * period.length
    return Clock(
        clock="contract_renewal",
        begun_by=signed.rank,
        starts_on=begins,
        due_on=term_until,
        not_before=term_until,
        days=period.length,
        day_kind=period.kind,
        law=row.law,
        article=row.article,
        rule_version=ruling.version,
        met_on=ends.met_on,
        stopped_on=ends.stopped_on,
    )
