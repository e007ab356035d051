"""The bodies of commands about enterprises."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, Field, StrictBool, WithJsonSchema

from services.registry.bodies import AreaCode, Day, Name, anchored, read, text
from services.registry.enterprises import fields
from services.registry.enterprises.rules import Close, Move, Reclassify, RegisterEnterprise, ReportHeadcount
from shared.contracts.codes import CLOSING, OWNERSHIP
from shared.contracts.ids import uuid7
from shared.http.forms import Command, Listed, Note, Text, normal
from shared.journal.reasons import reason_of

A_CLASS = "A section letter of GB/T 4754-2017 with up to four class digits; null: unknown."
A_TYPE = "Its type of registration, a code of docs/codes.md (GB/T 12402); null: unknown."
A_NUMBER = "Its business registration number of 15 digits, as before credit codes; a wrong check digit is a warning. null: unknown."
ACCEPTED = "true: a credit code whose check character is wrong is recorded with a warning; imports of existing files ask for it."
CreditCode = Annotated[str | None, read(fields.credit_code_form), text(null=True, minLength=18, maxLength=18)]
RegistrationNumber = Annotated[str | None, read(fields.registration_number), text(null=True, pattern=r"^\d{15}$")]
Industry = Annotated[str | None, read(fields.industry), text(null=True, pattern=anchored(fields.INDUSTRY))]
Ownership = Annotated[str, BeforeValidator(normal), Field(max_length=fields.LONGEST_OWNERSHIP), Listed(OWNERSHIP)]
Workers = Annotated[int, read(fields.workers), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": fields.MOST_WORKERS})]
Revenue = Annotated[int | None, read(fields.revenue_fen), WithJsonSchema({"type": ["number", "string", "null"], "minimum": 0})]


class EnterpriseBody(Command):
    """An enterprise that settled in a park. What is left out is unknown."""

    name: Name = Field(description="Its name as registered, 200 characters at most.", examples=["宁波示例电子有限公司"])
    credit_code: CreditCode = Field(
        None, description="Its unified social credit code, 18 characters (GB 32100-2015); null: unknown.", examples=["91350100M000100Y43"]
    )
    registration_number: RegistrationNumber = Field(None, description=A_NUMBER, examples=["110108000000016"])
    accept_wrong_check: StrictBool = Field(False, description=ACCEPTED, examples=[False])
    park: AreaCode = Field(description="The park in which it settled.", examples=["330200-P001"])
    industry: Industry = Field(None, description=A_CLASS, examples=["C39"])
    ownership: Ownership | None = Field(None, description=A_TYPE, examples=["159"])
    settled_on: Day = Field(description="The day on which it settled, not after today.", examples=["2024-03-01"])

    def command(self) -> RegisterEnterprise:
        """With a new id."""
        return RegisterEnterprise(
            uuid7(),
            self.name,
            self.credit_code,
            self.park,
            self.industry,
            self.ownership,
            self.settled_on,
            self.registration_number,
            self.accept_wrong_check,
        )


class HeadcountBody(Command):
    """So many workers on that day."""

    on: Day = Field(description="The day on which they were counted, not after today.", examples=["2026-06-30"])
    workers: Workers = Field(description="How many workers there were, in persons.", examples=[120])

    def of(self, enterprise_id: UUID) -> ReportHeadcount:
        """The command."""
        return ReportHeadcount(enterprise_id, self.on, self.workers)


class MoveBody(Command):
    """The enterprise is in another park from that day on."""

    on: Day = Field(description="The first day in the other park, not after today.", examples=["2026-06-30"])
    park: AreaCode = Field(description="The park to which it moved.", examples=["330200-P002"])

    def of(self, enterprise_id: UUID) -> Move:
        """The command."""
        return Move(enterprise_id, self.on, self.park)


class ClassificationBody(Command):
    """At least one of them changes from that day on; `revenue` in yuan a year."""

    on: Day = Field(description="The first day on which it is so, not after today.", examples=["2026-06-30"])
    industry: Industry = Field(None, description=f"{A_CLASS} Left out: as before.", examples=["C39"])
    ownership: Ownership | None = Field(None, description=f"{A_TYPE} Left out: as before.", examples=["159"])
    revenue: Revenue = Field(
        None, description="Its revenue in yuan a year, with two decimals at most; left out: as before.", examples=[15000000.5]
    )

    def of(self, enterprise_id: UUID) -> Reclassify:
        """The command."""
        return Reclassify(enterprise_id, self.on, self.industry, self.ownership, self.revenue)


class ClosureBody(Command):
    """The enterprise operates no longer. `note`: a text that stays with the service."""

    on: Day = Field(description="The first day on which it operates no longer, not after today.", examples=["2026-06-30"])
    reason: Annotated[Text, Listed(CLOSING)] = Field(examples=["bankrupt"])
    note: Note | None = Field(None, description="A text about it, which stays with the service and enters no event.", examples=[None])

    def of(self, enterprise_id: UUID) -> Close:
        """The command."""
        return Close(enterprise_id, self.on, reason_of(self.reason, self.note))
