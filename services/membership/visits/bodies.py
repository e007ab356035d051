"""The body that callers send about visits."""

from __future__ import annotations

from pydantic import Field

from services.membership.visits.rules import OUTCOME, MakeVisit
from shared.contracts.membership import VisitPurpose
from shared.http.forms import Command as Form
from shared.http.forms import Day, Id


class VisitBody(Form):
    """An organiser visited an enterprise. `outcome` is a code; left out: not recorded."""

    enterprise_id: Id
    visited_on: Day
    purpose: VisitPurpose
    outcome: str | None = Field(None, pattern=f"^{OUTCOME}$")

    def command(self) -> MakeVisit:
        """The command."""
        return MakeVisit(self.enterprise_id, self.visited_on, self.purpose, self.outcome)
