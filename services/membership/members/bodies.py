"""The bodies that callers send about members."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from services.membership.members.rules import Join, Leave, Transfer
from shared.http.forms import Command as Form
from shared.http.forms import Day, Id, Text
from shared.journal.reasons import reason_of


class DocumentBody(Form):
    """An identity document: `resident_id`, `permit`, `passport`, … and its number."""

    kind: str = Field(min_length=1, max_length=32)
    number: str = Field(min_length=1, max_length=128, repr=False)


class MemberBody(Form):
    """A person joins the union at an enterprise that it covers."""

    union_id: Id = Field(description="The union that the person joins.", examples=["01938c5e-7f00-7000-8000-0000000000c1"])
    enterprise_id: Id = Field(
        description="The enterprise at which the person works; the union covers it.", examples=["01938c5e-7f00-7000-8000-0000000000e1"]
    )
    document: DocumentBody = Field(description="By which the person is recognised: encrypted, never shown in full, in no event.")
    joined_on: Day = Field(description="The first day of the membership, not after today.", examples=["2025-06-01"])

    def command(self) -> Join:
        """The command."""
        return Join(self.union_id, self.enterprise_id, self.document.kind, self.document.number, self.joined_on)


class LeaveBody(Form):
    """The member leaves. `reason` is a code, or a text that stays with the service."""

    on: Day = Field(description="The first day without the membership, not after today.", examples=["2026-06-30"])
    reason: Text

    def of(self, member_id: UUID) -> Leave:
        """The command."""
        return Leave(member_id, self.on, reason_of(self.reason))


class TransferBody(Form):
    """The member goes to another union or enterprise."""

    on: Day = Field(description="The first day in the other union or enterprise, not after today.", examples=["2026-06-30"])
    union_id: Id = Field(description="The union from that day on.", examples=["01938c5e-7f00-7000-8000-0000000000c1"])
    enterprise_id: Id = Field(description="The enterprise from that day on.", examples=["01938c5e-7f00-7000-8000-0000000000e2"])

    def of(self, member_id: UUID) -> Transfer:
        """The command."""
        return Transfer(member_id, self.on, self.union_id, self.enterprise_id)
