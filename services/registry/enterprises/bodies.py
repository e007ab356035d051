"""The bodies of commands about enterprises."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field, WithJsonSchema

from services.registry.bodies import AreaCode, Day, Name, anchored, read, text
from services.registry.enterprises import fields
from services.registry.enterprises.rules import Close, Move, Reclassify, RegisterEnterprise, ReportHeadcount
from shared.contracts.codes import CLOSING, OWNERSHIP
from shared.contracts.ids import uuid7
from shared.http.forms import Command, Listed, Note, Text
from shared.journal.reasons import reason_of

CreditCode = Annotated[str | None, read(fields.credit_code), text(null=True, minLength=18, maxLength=18)]
Industry = Annotated[str | None, read(fields.industry), text(null=True, pattern=anchored(fields.INDUSTRY))]
Ownership = Annotated[str, Field(max_length=fields.LONGEST_OWNERSHIP), Listed(OWNERSHIP)]
Workers = Annotated[int, read(fields.workers), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": fields.MOST_WORKERS})]
Revenue = Annotated[int | None, read(fields.revenue_fen), WithJsonSchema({"type": ["number", "string", "null"], "minimum": 0})]


class EnterpriseBody(Command):
    """An enterprise that settled in a park. What is left out is unknown."""

    name: Name
    credit_code: CreditCode = None
    park: AreaCode
    industry: Industry = None
    ownership: Ownership | None = None
    settled_on: Day

    def command(self) -> RegisterEnterprise:
        """With a new id."""
        return RegisterEnterprise(uuid7(), self.name, self.credit_code, self.park, self.industry, self.ownership, self.settled_on)


class HeadcountBody(Command):
    """So many workers on that day."""

    on: Day
    workers: Workers

    def of(self, enterprise_id: UUID) -> ReportHeadcount:
        """The command."""
        return ReportHeadcount(enterprise_id, self.on, self.workers)


class MoveBody(Command):
    """The enterprise is in another park from that day on."""

    on: Day
    park: AreaCode

    def of(self, enterprise_id: UUID) -> Move:
        """The command."""
        return Move(enterprise_id, self.on, self.park)


class ClassificationBody(Command):
    """At least one of them changes from that day on; `revenue` in yuan a year."""

    on: Day
    industry: Industry = None
    ownership: Ownership | None = None
    revenue: Revenue = None

    def of(self, enterprise_id: UUID) -> Reclassify:
        """The command."""
        return Reclassify(enterprise_id, self.on, self.industry, self.ownership, self.revenue)


class ClosureBody(Command):
    """The enterprise operates no longer. `note`: a text that stays with the service."""

    on: Day
    reason: Annotated[Text, Listed(CLOSING)]
    note: Note | None = None

    def of(self, enterprise_id: UUID) -> Close:
        """The command."""
        return Close(enterprise_id, self.on, reason_of(self.reason, self.note))
