"""Facts recorded before: an earlier one was wrong (corrections), or events were never facts (withdrawals, docs/design/ENGINE.md, Reading 6).

Which fields change, and what must hold afterwards. A withdrawal is for the state as if each fact were corrected to nothing. Pure; what
differs by fact is in its row.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from msgspec import structs

from shared.contracts import Event
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.problems.days import require_day
from shared.problems.errors import Conflict, NotFound, Notice, Problem, Unprocessable
from shared.problems.validation import shown_name
from shared.writing import fields
from shared.writing.facts import Correct, Decision, Fact, History, Standing, Withdraw, World
from shared.writing.fields import Wrong
from shared.writing.table import FactKind, Table

W = TypeVar("W", bound=World)

OCCURRED_ON = "occurred_on"
OWN_FIELDS = ("subject", "from", "to")
"""Fields of a withdrawal."""


def target_of(world: World, command: Correct) -> Standing:
    """The fact that the command names, as it holds now; one without a type if the event named states no fact. Raises UNKNOWN_EVENT (422)."""
    place = world.events.get(command.corrects)
    if place is None:
        raise unknown_event(command.corrects)
    subject, rank = place
    return world.history(subject).facts.get(rank) or Standing(subject, rank, "", date.min, None, None)


def unknown_event(corrects: UUID) -> Unprocessable:
    """No event of this service has that id."""
    return Unprocessable("UNKNOWN_EVENT", field="corrects", params={"event": str(corrects)})


def already_corrected(latest: UUID | None) -> Conflict:
    """The event named was corrected; `latest` is the one to name instead, None if it is not known."""
    return Conflict("ALREADY_CORRECTED", field="corrects", params={"latest": str(latest or "")})


def correct(table: Table[W, Any], world: W, command: Correct, today: date) -> Decision:
    """The correction as a fact of the same stream, and what follows from it.

    Raises UNKNOWN_EVENT, NOT_CORRECTABLE, NOTHING_TO_CHANGE, a field's own error (422), ALREADY_CORRECTED, FACT_WITHDRAWN (409), and what
    the fact's row refuses.
    """
    target = target_of(world, command)
    if not target.type:
        raise unknown_event(command.corrects)
    if target.event_id is None or command.corrects not in {target.event_id, *target.also}:
        raise already_corrected(target.event_id)
    if target.data is None:
        raise Conflict("FACT_WITHDRAWN", field="corrects", params={"event": str(command.corrects)})
    kind = table.kind_named(target.type)
    if kind is None or not kind.correctable:
        raise Unprocessable("NOT_CORRECTABLE", field="corrects", params={"field": target.type})
    kind.before(world, target, command)
    changed = None if command.data is None else _changed(table, kind, world, target, command.data, today)
    data = FactCorrected(
        corrects=target.event_id,
        fact=target.type,
        rank=target.rank,
        reason=command.reason.code,
        withdrawn=target.placed(),
        replacement=changed.placed() if changed else None,
        note_id=command.reason.note_id,
    )
    fact = Fact(target.subject, data, changed.on if changed else target.on)
    trial = world.after([fact])
    followed = kind.follow(trial, target, command)
    for one in followed:
        trial.apply(trial, one)
    kind.after(trial, target, command)
    return Decision([fact, *followed], warnings=kind.warn(trial, target, command))


def _changed(table: Table[W, Any], kind: FactKind[W], world: W, target: Standing, data: Mapping[str, Any], today: date) -> Standing:
    """The fact with the fields of `data`, the others as they were, and with what is decided from them."""
    assert target.data is not None
    changes = changes_of(kind, target.data, data, today, table.corrections.reserved)
    on = changes.pop(OCCURRED_ON, target.on)
    content = structs.replace(target.data, **changes)
    if on == target.on and content == target.data:
        raise Unprocessable("NOTHING_TO_CHANGE", field="data")
    changed = structs.replace(target, on=on, data=content, content=None)
    return changed if kind.complete is None else structs.replace(changed, data=kind.complete(world, changed, changes))


def changes_of(
    kind: FactKind[W], before: Event, data: Mapping[str, Any], today: date, reserved: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The fields of the fact that a correction's `data` changes, by the fact's names; its date is `occurred_on`.

    The first field in the order given that is wrong is refused: NOT_CORRECTABLE, RESERVED_REASON, DATE_OUT_OF_RANGE, or what its reader
    raises (422).
    """
    changes: dict[str, Any] = {}
    for name, value in data.items():
        path = f"data.{shown_name(name)}"
        try:
            if name in (kind.date, OCCURRED_ON):
                changes[OCCURRED_ON] = fields.day(value)
                require_day(changes[OCCURRED_ON], today, path)
                continue
            field = kind.fields.get(name)
            if field is None:
                raise Unprocessable("NOT_CORRECTABLE", field=path, params={"field": shown_name(name)})
            if field.name == "reason":
                if {value if isinstance(value, str) else None, getattr(before, "reason", None)} & reserved:
                    raise Unprocessable("RESERVED_REASON", field=path, params={"reason": getattr(before, "reason", None) or ""})
                changes["note_id"] = None
            changes[field.name] = field.read(value)
        except Wrong as wrong:
            raise Unprocessable(wrong.code, field=path, params=wrong.params) from None
    return changes


def require_range(first: int, last: int, newest: int, facts: Container[int]) -> None:
    """`first` to `last` are sequences of a stream of `newest` events, and facts all of them: `facts` has their sequences.

    Raises FROM_AFTER_TO, UNKNOWN_SEQUENCE, HOLDS_CORRECTION (422).
    """
    if first > last:
        raise Unprocessable("FROM_AFTER_TO", field="from")
    for field, sequence in (("from", first), ("to", last)):
        if not 0 < sequence <= newest:
            raise Unprocessable("UNKNOWN_SEQUENCE", field=field, params={"last": newest})
    for sequence in range(first, last + 1):
        if sequence not in facts:
            raise Unprocessable("HOLDS_CORRECTION", field="from", params={"sequence": sequence})


def withdraw(table: Table[W, Any], world: W, command: Withdraw, today: date) -> Decision:
    """The withdrawal as a fact of the same stream, and what follows from it.

    Raises UNKNOWN_STREAM (404), FROM_AFTER_TO, UNKNOWN_SEQUENCE, HOLDS_CORRECTION (422), ALREADY_CORRECTED, FACT_WITHDRAWN (409), and what
    the rows of the facts refuse.
    """
    history = world.history(command.subject)
    if not history.sequence:
        raise NotFound("UNKNOWN_STREAM", field="subject", params={"subject": command.subject})
    require_range(command.first, command.last, history.sequence, history.facts)
    named = [history.facts[rank] for rank in range(command.first, command.last + 1)]
    for standing in named:
        _require_in_force(history, standing)
    data = EventWithdrawn(first=command.first, last=command.last, reason=command.reason.code, note_id=command.reason.note_id)
    readable = [standing for standing in named if standing.data is not None]
    try:
        followed, warnings = _trial(table, world, Fact(command.subject, data, today), readable, command)
    except Problem as problem:
        error = problem.errors[0]
        if error.field in OWN_FIELDS:
            raise
        # The row refuses a field of a correction; here the withdrawal as a whole is refused.
        raise type(problem)(problem.code, field="from", params=error.params) from None
    return Decision([Fact(command.subject, data, today, private=readable), *followed], subject=command.subject, warnings=warnings)


def _require_in_force(history: History, standing: Standing) -> None:
    if standing.data is None and standing.rank not in history.unreadable:
        raise Conflict("FACT_WITHDRAWN", field="from", params={"event": str(standing.first_id or "")})
    if standing.corrected:
        raise Conflict("ALREADY_CORRECTED", field="from", params={"latest": str(standing.event_id or "")})


def _trial(table: Table[W, Any], world: W, fact: Fact, facts: list[Standing], command: Withdraw) -> tuple[list[Fact], list[str | Notice]]:
    """What follows, and the warnings, on a world of its own: the last fact is dropped first, and what follows from it before the next."""
    trial = world.after([fact])
    followed: list[Fact] = []
    kinds = [(standing, kind) for standing in facts if (kind := table.kind_named(standing.type)) is not None]
    for standing, kind in reversed(kinds):
        kind.before(trial, standing, command)
        kind.drop(trial, standing)
        for one in kind.follow(trial, standing, command):
            trial.apply(trial, one)
            followed.append(one)
    for standing, kind in kinds:
        kind.after(trial, standing, command)
    return followed, [warned for standing, kind in kinds for warned in kind.warn(trial, standing, command)]
