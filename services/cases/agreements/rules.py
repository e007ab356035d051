"""Decisions on pacts, tripartite meetings and workers' congresses. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from services.cases.agreements.bodies import HoldCongress, HoldMeeting, SignPact
from services.cases.entries.world import World
from shared.contracts import Event
from shared.contracts.cases.agreements import CongressHeld, PactSigned, TripartiteHeld
from shared.contracts.ids import uuid7
from shared.problems.days import require_on_or_after
from shared.service.enterprises import subject_of
from shared.writing.facts import Decision, Fact, Standing


def sign_pact(_world: World, command: SignPact, _today: date) -> Decision:
    """A new pact, on the stream of its enterprise or of its area. Raises DATE_OUT_OF_RANGE (422)."""
    require_on_or_after(command.until, command.signed_on, "until")
    data = PactSigned(pact_id=uuid7(), enterprise_id=command.enterprise_id, area=command.area, workers=command.workers, until=command.until)
    subject = f"area/{command.area}" if command.enterprise_id is None else subject_of(command.enterprise_id)
    return Decision([Fact(subject, data, command.signed_on)], str(data.pact_id))


def complete_pact(_world: World, fact: Standing, _changes: Mapping[str, Any]) -> Event:
    """What a corrected pact says. Raises DATE_OUT_OF_RANGE (422)."""
    assert isinstance(fact.data, PactSigned)
    require_on_or_after(fact.data.until, fact.on, "until")
    return fact.data


def hold_meeting(_world: World, command: HoldMeeting, _today: date) -> Decision:
    """A tripartite meeting, on the stream of its area."""
    data = TripartiteHeld(meeting_id=uuid7(), area=command.area)
    return Decision([Fact(f"area/{command.area}", data, command.held_on)], str(data.meeting_id))


def hold_congress(_world: World, command: HoldCongress, _today: date) -> Decision:
    """A workers' congress."""
    data = CongressHeld(congress_id=uuid7(), enterprise_id=command.enterprise_id, delegates=command.delegates)
    return Decision([Fact(subject_of(command.enterprise_id), data, command.held_on)], str(data.congress_id))
