"""Decisions on collective contracts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from services.cases.agreements.bodies import Object, Publish, Receive, SignContract, Submit, Terminate
from services.cases.agreements.contract_progress import STEPS, Progress, by_rule, walk
from services.cases.agreements.registers import CONTRACT
from services.cases.agreements.stepping import decided, require_whole
from services.cases.clocks.periods import months_later
from services.cases.entries.entry import Entry
from services.cases.entries.world import World
from shared.contracts import Event
from shared.contracts.cases import agreements
from shared.contracts.cases.agreements import ContractFact, ContractSigned
from shared.contracts.ids import uuid7
from shared.problems.days import require_day, require_on_or_after
from shared.problems.errors import Unprocessable
from shared.service.enterprises import subject_of
from shared.writing.facts import Decision, Fact, Revision, Standing

SHORTEST, LONGEST = 12, 36
"""Months of a term (Provisions on Collective Contracts 2004, order 22, art. 38)."""
UNUSUAL_TERM = "UNUSUAL_TERM"


def sign(_world: World, command: SignContract, today: date) -> Decision:
    """A new contract: a fact for each of its enterprises. Raises ENTERPRISE_TWICE, DATE_OUT_OF_RANGE (422)."""
    units, seen = command.enterprises, set[UUID]()
    for number, unit in enumerate(units):
        if unit in seen:
            raise Unprocessable("ENTERPRISE_TWICE", field=f"enterprises.{number}", params={"enterprise": str(unit)})
        seen.add(unit)
    if command.approval_notified_on is not None:
        require_day(command.approval_notified_on, today, "approval_notified_on")
    contract_id = uuid7()
    require_on_or_after(command.term_until, command.signed_on, "term_until")
    facts = [Fact(subject_of(unit), _signed(contract_id, unit, command), command.signed_on) for unit in units]
    return Decision(facts, str(contract_id), warnings=warnings(command.signed_on, command.term_until))


def _signed(contract_id: UUID, enterprise_id: UUID, command: SignContract) -> ContractSigned:
    return ContractSigned(
        contract_id=contract_id,
        enterprise_id=enterprise_id,
        kind=command.kind,
        term_until=command.term_until,
        approval_notified_on=command.approval_notified_on,
        workers=command.workers,
        enterprises=len(command.enterprises),
    )


def warnings(signed_on: date, term_until: date) -> list[str]:
    """A term is one to three years; others are entered all the same."""
    first, last = months_later(signed_on, SHORTEST) - timedelta(days=1), months_later(signed_on, LONGEST)
    return [] if first <= term_until <= last else [UNUSUAL_TERM]


def submit(world: World, command: Submit, today: date) -> Decision:
    """The submission. Raises as `stepping.decided`."""
    return _step(world, command, agreements.ContractSubmitted, today)


def receive(world: World, command: Receive, today: date) -> Decision:
    """The receipt. Raises as `stepping.decided`."""
    return _step(world, command, agreements.ContractReceived, today)


def object_to(world: World, command: Object, today: date) -> Decision:
    """An objection in time. Raises as `stepping.decided`: a late one finds the contract in effect."""
    return _step(world, command, agreements.ContractObjected, today)


def publish(world: World, command: Publish, today: date) -> Decision:
    """The publication. Raises as `stepping.decided`."""
    return _step(world, command, agreements.ContractPublished, today)


def terminate(world: World, command: Terminate, today: date) -> Decision:
    """The end before its term. Raises as `stepping.decided`."""
    return _step(world, command, agreements.ContractTerminated, today, reason=command.reason)


def _step(
    world: World, command: Submit | Receive | Object | Publish | Terminate, kind: type[ContractFact], today: date, **said: Any
) -> Decision:
    entry = world.entry(command.contract_id, CONTRACT)
    signed = entry.first(ContractSigned)
    assert signed is not None
    data = kind(contract_id=entry.id, enterprise_id=entry.enterprises[0], kind=signed[1].kind, **said)
    return decided(world, CONTRACT, entry, (data, command.on), STEPS[kind].value, _walk(world, entry), today)


def _walk(world: World, entry: Entry) -> Callable[[Iterable[Standing]], Progress]:
    effect_of = by_rule(world.book_of(entry))
    return lambda facts: walk(facts, effect_of)


def complete_signed(_world: World, fact: Standing, _changes: Mapping[str, Any]) -> Event:
    """What a corrected signing says. Raises DATE_OUT_OF_RANGE (422)."""
    assert isinstance(fact.data, ContractSigned)
    require_on_or_after(fact.data.term_until, fact.on, "term_until")
    return fact.data


def after(world: World, fact: Standing, _command: Revision) -> None:
    """The contract is still signed, and each step is possible. Raises OTHERS_REST_ON_IT (409)."""
    assert isinstance(fact.data, ContractFact)
    entry = world.entries[fact.data.contract_id]
    require_whole(entry, CONTRACT, _walk(world, entry))


def warn_signed(world: World, fact: Standing, _command: Revision) -> list[str]:
    """Warnings of a corrected signing, as of a new one."""
    assert isinstance(fact.data, ContractSigned)
    now = world.entries[fact.data.contract_id].first(ContractSigned)
    return warnings(now[0].on, now[1].term_until) if now else []
