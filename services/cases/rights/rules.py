"""Decisions on rights cases. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date
from typing import Any

from msgspec import structs

from services.cases.entries import clocking
from services.cases.entries import world as worlds
from services.cases.entries.entry import Entry
from services.cases.entries.world import World
from services.cases.persons import naming
from services.cases.rights.bodies import MOST_DAYS, OPTIONAL, REQUIRED, Assign, Close, Open, Reopen, TakeStep
from services.cases.rights.case import CASE
from services.cases.rights.progress import OUTCOME, REOPENING, NotAllowed, Progress, progress_of
from shared.contracts import Event, type_of
from shared.contracts.case_codes import RESTARTS
from shared.contracts.cases.rights import CaseAssigned, CaseClosed, CaseFact, CaseOpened, CaseProgressed, CaseReopened, Step
from shared.contracts.cases.rules import ClockOverdue
from shared.contracts.ids import uuid7
from shared.problems.days import require_day
from shared.problems.errors import Conflict, Unprocessable
from shared.service.enterprises import subject_of
from shared.writing.facts import Decision, Fact, Revision, Standing

DISPUTE = "labour_dispute"
COLLECTIVE_CONTRACT = "collective_contract"
COLLECTIVE_RULE = "collective_workers"
STEP_FIELDS = frozenset(field.name for field in fields(TakeStep)) - {"case_id", "step", "on"}


def open_case(world: World, command: Open, today: date) -> Decision:
    """A new case. Raises NOT_FOR_KIND, DATE_OUT_OF_RANGE, INVALID_DOCUMENT (422)."""
    require_day(command.reported_on, today, "reported_on")
    if command.knew_on is not None:
        require_day(command.knew_on, today, "knew_on")
    data = CaseOpened(
        case_id=uuid7(),
        enterprise_id=command.enterprise_id,
        kind=command.kind,
        subkind=command.subkind,
        workers_concerned=command.workers_concerned,
        common_claim=command.common_claim,
        knew_on=command.knew_on,
        reported_on=command.reported_on,
        channel=command.channel,
        amount_fen=command.amount_fen,
        remuneration=command.remuneration,
    )
    require_dates(data, command.occurred_on)
    subject = subject_of(command.enterprise_id)
    reporter = naming.named(command.reporter, naming.REPORTER, command.occurred_on)
    private = None if reporter is None else {naming.REPORTER: reporter}
    facts = [Fact(subject, classified(world, data, command.occurred_on), command.occurred_on, private=private)]
    if command.assigned_to is not None:
        assigned = CaseAssigned(case_id=data.case_id, enterprise_id=data.enterprise_id, assigned_to=command.assigned_to)
        facts.append(Fact(subject, assigned, command.reported_on))
    return Decision(facts, str(data.case_id))


def require_dates(data: CaseOpened, occurred_on: date) -> None:
    """A case is reported, and known, on the day on which it happened or later; a subkind is one of a dispute."""
    if data.subkind is not None and data.kind != DISPUTE:
        raise Unprocessable("NOT_FOR_KIND", field="subkind", params={"kind": data.kind})
    for name in ("reported_on", "knew_on"):
        day = getattr(data, name)
        if day is not None and day < occurred_on:
            raise Unprocessable("DATE_OUT_OF_RANGE", field=name, params={"earliest": occurred_on, "latest": "today"})


def classified(world: World, data: CaseOpened, on: date) -> CaseOpened:
    """The case with what is decided of it: whether it is collective (Mediation and Arbitration Law, art. 7; order 33, art. 62)."""
    found = world.enterprises.get(data.enterprise_id)
    ruling = world.book(found.park if found else None).at(COLLECTIVE_RULE, on)
    many = ruling is not None and data.workers_concerned is not None and data.workers_concerned >= ruling.value["workers"]
    by_contract = data.subkind == COLLECTIVE_CONTRACT
    return structs.replace(
        data,
        collective=by_contract or (many and data.common_claim is not False),
        collective_proxy=not by_contract and many and data.common_claim is None,
        rule_version=ruling.version if ruling else None,
    )


def put_opened(world: World, fact: Standing, private: Mapping[str, Any] | None) -> None:
    """The case is there; who reported it stays out of its row."""
    worlds.put(world, fact, None)
    assert isinstance(fact.data, CaseOpened)
    if (reporter := naming.taken(private, naming.REPORTER)) is not None:
        naming.hold(world, fact.data.case_id, naming.REPORTER, reporter)


def drop_opened(world: World, fact: Standing) -> None:
    """The case never was, and nobody reported it."""
    worlds.drop(world, fact)
    assert isinstance(fact.data, CaseOpened)
    naming.forget(world, fact.data.case_id)


def complete_opened(world: World, fact: Standing, _changes: Mapping[str, Any]) -> Event:
    """What a corrected opening says, decided anew."""
    assert isinstance(fact.data, CaseOpened)
    require_dates(fact.data, fact.on)
    return classified(world, fact.data, fact.on)


def take_step(world: World, command: TakeStep, today: date) -> Decision:
    """A step of a case. Raises FIELD_REQUIRED, NOT_FOR_STEP, OUT_OF_RANGE, DATE_OUT_OF_RANGE (422), STEP_NOT_ALLOWED (409)."""
    entry = world.entry(command.case_id, CASE)
    _require_fields(command)
    said = {name: getattr(command, name) for name in STEP_FIELDS}
    data = CaseProgressed(case_id=entry.id, enterprise_id=entry.enterprises[0], step=command.step, **said)
    _require_step_dates(entry, data, command.on, today)
    data = _about_letter(entry, data, command.on)
    decision = _decided(world, entry, data, command.on, lambda progress: progress.allows(data.step, data.clock, data.party), data.step)
    _require_in_time(world, entry, data, command.on)
    return decision


def _require_fields(command: TakeStep) -> None:
    required, optional = REQUIRED.get(command.step, ()), OPTIONAL.get(command.step, ())
    for name in required:
        if getattr(command, name) is None:
            raise Unprocessable("FIELD_REQUIRED", field=name)
    for name in sorted(STEP_FIELDS):
        if getattr(command, name) is not None and name not in (*required, *optional):
            raise Unprocessable("NOT_FOR_STEP", field=name, params={"step": command.step.value})
    most = MOST_DAYS.get(command.step)
    if most is not None and command.days is not None and command.days > most:
        raise Unprocessable("OUT_OF_RANGE", field="days", params={"limit": f"1-{most}"})
    if command.step is Step.AWARD_RESTARTED and command.ground not in RESTARTS:
        expected = ", ".join(sorted(RESTARTS))
        raise Unprocessable("NOT_ONE_OF", field="ground", params={"expected": expected, "expected_zh": expected})


def _require_step_dates(entry: Entry, data: CaseProgressed, on: date, today: date) -> None:
    """A step is taken after what happened; only an employment may have ended before. What was received was sent before."""
    opened = entry.first(CaseOpened)
    if opened is not None and on < opened[0].on and data.step is not Step.EMPLOYMENT_ENDED:
        raise Unprocessable("DATE_OUT_OF_RANGE", field="on", params={"earliest": opened[0].on, "latest": today})
    if data.received_on is not None:
        require_day(data.received_on, today, "received_on")
    for name in ("received_on", "reply_by"):
        if (day := getattr(data, name)) is not None and day < on:
            raise Unprocessable("DATE_OUT_OF_RANGE", field=name, params={"earliest": on, "latest": "9999-12-31"})


def _about_letter(entry: Entry, data: CaseProgressed, on: date) -> CaseProgressed:
    """A reply is about a letter that was sent by then and waits for one; one that names its kind is entered as the reply to that letter,
    so that whoever reads the fact finds the same one. Raises UNKNOWN_LETTER (422)."""
    progress = progress_of(entry.before(on))
    if data.step is not Step.REPLIED or not progress.allows(data.step):
        return data
    letter = progress.answered_by(data)
    if letter is None:
        raise Unprocessable("UNKNOWN_LETTER", field="document" if data.letter is None else "letter")
    return data if data.document is None else structs.replace(data, letter=letter.rank)


def _require_in_time(world: World, entry: Entry, data: CaseProgressed, on: date) -> None:
    """A period is extended on its due day at the latest. Raises DATE_OUT_OF_RANGE (422)."""
    name = {Step.EXTENDED: "arbitration_award", Step.INSPECTION_EXTENDED: "inspection"}.get(data.step)
    if name is None:
        return
    running = [clock for clock in clocking.clocks_of(entry, world.book_of(entry)) if clock.clock == name]
    due = next((clock.due_on for clock in running), None)
    if due is not None and on > due:
        earliest = next(clock.starts_on for clock in running)
        raise Unprocessable("DATE_OUT_OF_RANGE", field="on", params={"earliest": earliest, "latest": due})


def close(world: World, command: Close, _today: date) -> Decision:
    """The case ends, behind its last step. Raises STEP_NOT_ALLOWED (409), DATE_OUT_OF_RANGE (422)."""
    entry = world.entry(command.case_id, CASE)
    _require_behind(entry, command.on)
    data = CaseClosed(case_id=entry.id, enterprise_id=entry.enterprises[0], outcome=command.outcome, recovered_fen=command.recovered_fen)
    return _decided(world, entry, data, command.on, lambda progress: progress.open, OUTCOME)


def reopen(world: World, command: Reopen, _today: date) -> Decision:
    """The case is open again. Raises STEP_NOT_ALLOWED (409), DATE_OUT_OF_RANGE (422)."""
    entry = world.entry(command.case_id, CASE)
    data = CaseReopened(case_id=entry.id, enterprise_id=entry.enterprises[0], reason=command.reason)
    return _decided(world, entry, data, command.on, lambda progress: not progress.open, REOPENING)


def assign(world: World, command: Assign, today: date) -> Decision:
    """Who handles the case. Raises DATE_OUT_OF_RANGE (422)."""
    entry = world.entry(command.case_id, CASE)
    on = command.on or today
    require_day(on, today, "on")
    data = CaseAssigned(case_id=entry.id, enterprise_id=entry.enterprises[0], assigned_to=command.assigned_to)
    return Decision([Fact(entry.subject, data, on)], str(entry.id))


def _require_behind(entry: Entry, on: date) -> None:
    """An outcome is not before the report, nor before the last step, if the case is open."""
    opened, progress = entry.first(CaseOpened), progress_of(entry.facts)
    earliest = max([opened[1].reported_on if opened else on, progress.last_on or on])
    if progress.open and on < earliest:
        raise Unprocessable("DATE_OUT_OF_RANGE", field="on", params={"earliest": earliest, "latest": "today"})


def _decided(world: World, entry: Entry, data: CaseFact, on: date, may: Callable[[Progress], bool], step: str) -> Decision:
    """The fact, if the case allows it on its day and what was entered of later days still holds."""
    if not may(progress_of(entry.before(on))):
        whole = progress_of(entry.facts)
        days = sorted({fact.on for fact in entry.facts if fact.on > on})
        later = next((day for day in days if may(progress_of(entry.before(day)))), None)
        if later is not None and may(whole):
            raise Unprocessable("DATE_OUT_OF_RANGE", field="on", params={"earliest": later, "latest": "today"})
        raise _refusal(step, whole.allowed())
    rank = world.heads.get(entry.subject, 0) + 1
    try:
        progress_of(entry.with_fact(Standing(entry.subject, rank, type_of(data), on, data, None)).facts)
    except NotAllowed as refused:
        raise Conflict("OTHERS_REST_ON_IT", field="on", params={"sequence": refused.fact.rank}) from None
    return Decision([Fact(entry.subject, data, on)], str(entry.id))


def _refusal(step: str, allowed: list[str]) -> Conflict:
    """The problem of a step that the state does not allow, with those that it allows."""
    return Conflict("STEP_NOT_ALLOWED", field="step", params={"step": step, "allowed": ", ".join(allowed)}, members={"allowed": allowed})


def require_whole(world: World, fact: Standing, _command: Revision) -> None:
    """After a correction or withdrawal every step of the case is still one that the state before it allows. Raises OTHERS_REST_ON_IT (409)."""
    assert isinstance(fact.data, CaseFact)
    entry = world.entries[fact.data.case_id]
    opened = entry.first(CaseOpened)
    # That a clock passed follows from the steps: the service itself takes it back.
    entered = [one for one in entry.facts if not isinstance(one.data, ClockOverdue)]
    if opened is None and entered:
        raise Conflict("OTHERS_REST_ON_IT", field="corrects", params={"sequence": entered[0].rank})
    try:
        progress_of(entry.facts)
    except NotAllowed as refused:
        raise Conflict("OTHERS_REST_ON_IT", field="corrects", params={"sequence": refused.fact.rank}) from None
    closed = entry.first(CaseClosed)
    if opened is not None and closed is not None and closed[0].on < opened[1].reported_on:
        raise Conflict("OTHERS_REST_ON_IT", field="corrects", params={"sequence": closed[0].rank})
