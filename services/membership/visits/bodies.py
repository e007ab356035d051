"""The body that callers send about visits."""

from __future__ import annotations

from pydantic import Field

from services.membership.visits.rules import OUTCOME, MakeVisit
from shared.contracts.membership import VisitPurpose
from shared.http.forms import Command as Form
from shared.http.forms import Day, Id


class VisitBody(Form):
    """An organiser visited an enterprise. `outcome` is a code; left out: not recorded."""

    enterprise_id: Id = Field(description="The enterprise visited.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    visited_on: Day = Field(description="The day of the visit, not after today.", examples=["2026-06-30"])
    purpose: VisitPurpose
    outcome: str | None = Field(None, pattern=f"^{OUTCOME}$")

    def command(self) -> MakeVisit:
        """The command."""
        return MakeVisit(self.enterprise_id, self.visited_on, self.purpose, self.outcome)
