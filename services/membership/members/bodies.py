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

    union_id: Id
    enterprise_id: Id
    document: DocumentBody
    joined_on: Day

    def command(self) -> Join:
        """The command."""
        return Join(self.union_id, self.enterprise_id, self.document.kind, self.document.number, self.joined_on)


class LeaveBody(Form):
    """The member leaves. `reason` is a code, or a text that stays with the service."""

    on: Day
    reason: Text

    def of(self, member_id: UUID) -> Leave:
        """The command."""
        return Leave(member_id, self.on, reason_of(self.reason))


class TransferBody(Form):
    """The member goes to another union or enterprise."""

    on: Day
    union_id: Id
    enterprise_id: Id

    def of(self, member_id: UUID) -> Transfer:
        """The command."""
        return Transfer(member_id, self.on, self.union_id, self.enterprise_id)
