"""The body that callers send about visits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.membership.visits.rules import LONGEST_OUTCOME, MakeVisit
from shared.contracts.codes import VISIT_OUTCOMES
from shared.contracts.membership import VisitPurpose
from shared.http.forms import Command as Form
from shared.http.forms import Day, Id, Listed


class VisitBody(Form):
    """An organiser visited an enterprise. `outcome` left out: not recorded."""

    enterprise_id: Id
    visited_on: Day
    purpose: VisitPurpose
    outcome: Annotated[str, Field(max_length=LONGEST_OUTCOME), Listed(VISIT_OUTCOMES)] | None = None

    def command(self) -> MakeVisit:
        """The command."""
        return MakeVisit(self.enterprise_id, self.visited_on, self.purpose, self.outcome)
