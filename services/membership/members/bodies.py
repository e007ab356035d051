"""The bodies that callers send about members."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from services.membership.members.rules import Join, Leave
from services.membership.members.transfers import Transfer
from shared.contracts.codes import LEAVING
from shared.http.forms import Command as Form
from shared.http.forms import Day, Id, Listed, Note, Text
from shared.journal.reasons import reason_of, reason_with
from shared.persons.bodies import DocumentBody


class MemberBody(Form):
    """A person joins the union at an enterprise that it covers.

    `left_on` and `left_reason`, both or neither: the membership is over. A past one can be entered after a later one.
    """

    union_id: Id = Field(description="The union that the person joins.", examples=["01938c5e-7f00-7000-8000-0000000000c1"])
    enterprise_id: Id = Field(
        description="The enterprise at which the person works; the union covers it.", examples=["01938c5e-7f00-7000-8000-0000000000e1"]
    )
    document: DocumentBody = Field(description="By which the person is recognised: encrypted, never shown in full, in no event.")
    joined_on: Day = Field(description="The first day of the membership, not after today.", examples=["2025-06-01"])
    left_on: Day | None = Field(
        None, description="The first day without the membership, if it is over; not after today.", examples=["2025-12-31"]
    )
    left_reason: Annotated[Text, Listed(LEAVING)] | None = Field(
        None, description="Why the person left, as a code of docs/codes.md; with `left_on`.", examples=["resigned"]
    )
    note: Note | None = Field(None, description="A text about the leaving, with `left_reason`; stays with the service.", examples=[None])

    def command(self) -> Join:
        """The command."""
        reason = reason_with(self.left_reason, self.note, "left_reason")
        document = self.document
        return Join(self.union_id, self.enterprise_id, document.kind, document.number, self.joined_on, self.left_on, reason)


class LeaveBody(Form):
    """The member leaves. `note`: a text that stays with the service."""

    on: Day = Field(description="The first day without the membership, not after today.", examples=["2026-06-30"])
    reason: Annotated[Text, Listed(LEAVING)] = Field(examples=["resigned"])
    note: Note | None = Field(None, description="A text about it, which stays with the service and enters no event.", examples=[None])

    def of(self, member_id: UUID) -> Leave:
        """The command."""
        return Leave(member_id, self.on, reason_of(self.reason, self.note))


class TransferBody(Form):
    """The member goes to another union or enterprise."""

    on: Day = Field(description="The first day in the other union or enterprise, not after today.", examples=["2026-06-30"])
    union_id: Id = Field(description="The union from that day on.", examples=["01938c5e-7f00-7000-8000-0000000000c1"])
    enterprise_id: Id = Field(description="The enterprise from that day on.", examples=["01938c5e-7f00-7000-8000-0000000000e2"])

    def of(self, member_id: UUID) -> Transfer:
        """The command."""
        return Transfer(member_id, self.on, self.union_id, self.enterprise_id)
