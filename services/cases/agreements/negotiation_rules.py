"""Decisions on negotiations. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from services.cases.agreements.bodies import Conclude, Invite, Meet, Reply, Resume, Suspend
from services.cases.agreements.negotiation_progress import STEPS, walk
from services.cases.agreements.registers import NEGOTIATION, invitation
from services.cases.agreements.stepping import decided, require_whole
from services.cases.entries.world import World
from shared.contracts import Event
from shared.contracts.cases.agreements import NegotiationProgressed, NegotiationStep
from shared.contracts.ids import uuid7
from shared.problems.days import require_day, require_on_or_after
from shared.problems.errors import Unprocessable
from shared.service.enterprises import subject_of
from shared.writing.facts import Decision, Fact, Revision, Standing

OWN: Mapping[str, NegotiationStep] = {
    "received_on": NegotiationStep.INVITED,
    "invited_by": NegotiationStep.INVITED,
    "agreed": NegotiationStep.REPLIED,
    "result": NegotiationStep.RESULT,
}
"""{field: the step that has it}"""
REQUIRED = frozenset({"agreed", "result"})


def invite(_world: World, command: Invite, today: date) -> Decision:
    """A new negotiation. Raises DATE_OUT_OF_RANGE (422)."""
    if command.received_on is not None:
        require_day(command.received_on, today, "received_on")
    data = NegotiationProgressed(
        negotiation_id=uuid7(),
        enterprise_id=command.enterprise_id,
        kind=command.kind,
        step=NegotiationStep.INVITED,
        received_on=command.received_on,
        invited_by=command.invited_by.value if command.invited_by else None,
    )
    _require_fields(data, command.invited_on)
    return Decision([Fact(subject_of(command.enterprise_id), data, command.invited_on)], str(data.negotiation_id))


def reply(world: World, command: Reply, today: date) -> Decision:
    """The reply. Raises as `stepping.decided`."""
    return _step(world, command, NegotiationStep.REPLIED, today, agreed=command.agreed)


def meet(world: World, command: Meet, today: date) -> Decision:
    """A session. Raises as `stepping.decided`."""
    return _step(world, command, NegotiationStep.SESSION, today)


def suspend(world: World, command: Suspend, today: date) -> Decision:
    """A suspension. Raises as `stepping.decided`."""
    return _step(world, command, NegotiationStep.SUSPENDED, today)


def resume(world: World, command: Resume, today: date) -> Decision:
    """It goes on. Raises as `stepping.decided`."""
    return _step(world, command, NegotiationStep.RESUMED, today)


def conclude(world: World, command: Conclude, today: date) -> Decision:
    """The result. Raises as `stepping.decided`."""
    return _step(world, command, NegotiationStep.RESULT, today, result=command.result)


def _step(world: World, command: Reply | Meet | Suspend | Resume | Conclude, step: NegotiationStep, today: date, **said: Any) -> Decision:
    entry = world.entry(command.negotiation_id, NEGOTIATION)
    invited = invitation(entry)
    assert invited is not None
    data = NegotiationProgressed(negotiation_id=entry.id, enterprise_id=entry.enterprises[0], kind=invited[1].kind, step=step, **said)
    return decided(world, NEGOTIATION, entry, (data, command.on), STEPS[step].value, walk, today)


def _require_fields(data: NegotiationProgressed, on: date) -> None:
    """Each field stands with its step alone; an invitation is received on its day or later."""
    for name, step in OWN.items():
        said = getattr(data, name) is not None
        if said and data.step is not step:
            raise Unprocessable("NOT_FOR_STEP", field=name, params={"step": data.step.value})
        if not said and data.step is step and name in REQUIRED:
            raise Unprocessable("FIELD_REQUIRED", field=name)
    require_on_or_after(data.received_on, on, "received_on")


def complete(_world: World, fact: Standing, _changes: Mapping[str, Any]) -> Event:
    """What a corrected step says. Raises NOT_FOR_STEP, FIELD_REQUIRED, DATE_OUT_OF_RANGE (422)."""
    assert isinstance(fact.data, NegotiationProgressed)
    _require_fields(fact.data, fact.on)
    return fact.data


def after(world: World, fact: Standing, _command: Revision) -> None:
    """The negotiation still begins with its invitation, and each step is possible. Raises OTHERS_REST_ON_IT (409)."""
    assert isinstance(fact.data, NegotiationProgressed)
    entry = world.entries[fact.data.negotiation_id]
    require_whole(entry, NEGOTIATION, walk)
