"""The body that callers send about visits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.membership.visits.rules import LONGEST_OUTCOME, MakeVisit
from shared.contracts.codes import VISIT_OUTCOMES
from shared.contracts.membership import VisitPurpose
from shared.http.forms import Command as Form
from shared.http.forms import Day, Id, Listed, Note
from shared.journal.reasons import reason_of


class VisitBody(Form):
    """An organiser visited an enterprise. `outcome` left out: not recorded. `note`: a text that stays with the service."""

    enterprise_id: Id = Field(description="The enterprise visited.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    visited_on: Day = Field(description="The day of the visit, not after today.", examples=["2026-06-30"])
    purpose: VisitPurpose = Field(description="What it was for.", examples=["founding"])
    outcome: Annotated[str, Field(max_length=LONGEST_OUTCOME), Listed(VISIT_OUTCOMES)] | None = Field(
        None, description="What came of it, as a code of docs/codes.md; null: not recorded.", examples=["agreed_to_prepare"]
    )

    note: Note | None = Field(None, description="A text about it, which stays with the service and enters no event.", examples=[None])

    def command(self) -> MakeVisit:
        """The command."""
        return MakeVisit(
            self.enterprise_id,
            self.visited_on,
            self.purpose,
            self.outcome,
            None if self.note is None else reason_of(self.outcome or "", self.note),
        )
