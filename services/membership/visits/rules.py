"""An organiser visits an enterprise: for a first contact, a founding, a follow-up, rights. Counts in no figure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.membership import grants
from services.membership.needs import Needs
from services.membership.world import World, enterprise_subject
from shared.contracts.ids import uuid7
from shared.contracts.membership import VisitMade, VisitPurpose
from shared.journal.reasons import Reason
from shared.writing.facts import Decision, Fact
from shared.writing.table import Access

LONGEST_OUTCOME = 64


@dataclass(frozen=True, slots=True)
class MakeVisit:
    """An organiser visited the enterprise. `outcome` is a code; None: not recorded. `note`: what was said besides, None: nothing."""

    enterprise_id: UUID
    visited_on: date
    purpose: VisitPurpose
    outcome: str | None
    note: Reason | None = None


def needs(needs: Needs, command: MakeVisit) -> None:
    """The enterprise."""
    needs.enterprises.add(command.enterprise_id)


def permit(world: World, command: MakeVisit, access: Access) -> None:
    """The enterprise must be granted."""
    grants.enterprise(world, access, command.enterprise_id, command.visited_on, "enterprise_id")


def decide(_world: World, command: MakeVisit, _today: date) -> Decision:
    """One fact on the enterprise's stream. A visit before the settlement or after the closure is possible."""
    data = VisitMade(
        visit_id=uuid7(),
        enterprise_id=command.enterprise_id,
        purpose=command.purpose,
        outcome=command.outcome,
        note_id=command.note.note_id if command.note else None,
    )
    return Decision([Fact(enterprise_subject(command.enterprise_id), data, command.visited_on)], str(data.visit_id))
