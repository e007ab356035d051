"""The bodies that callers send about members."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from services.membership.members.rules import Join, Leave, Transfer
from shared.contracts.codes import LEAVING
from shared.http.forms import Command as Form
from shared.http.forms import Day, Id, Listed, Note, Text
from shared.journal.reasons import reason_of


class DocumentBody(Form):
    """An identity document: `resident_id`, `permit`, `passport`, … and its number."""

    kind: str = Field(min_length=1, max_length=32)
    number: str = Field(min_length=1, max_length=128, repr=False)


class MemberBody(Form):
    """A person joins the union at an enterprise that it covers.

    `left_on` and `left_reason`, both or neither: the membership is over. A past one can be entered after a later one.
    """

    union_id: Id
    enterprise_id: Id
    document: DocumentBody
    joined_on: Day
    left_on: Day | None = None
    left_reason: Annotated[Text, Listed(LEAVING)] | None = None

    def command(self) -> Join:
        """The command."""
        reason = reason_of(self.left_reason) if self.left_reason is not None else None
        document = self.document
        return Join(self.union_id, self.enterprise_id, document.kind, document.number, self.joined_on, self.left_on, reason)


class LeaveBody(Form):
    """The member leaves. `note`: a text that stays with the service."""

    on: Day
    reason: Annotated[Text, Listed(LEAVING)]
    note: Note | None = None

    def of(self, member_id: UUID) -> Leave:
        """The command."""
        return Leave(member_id, self.on, reason_of(self.reason, self.note))


class TransferBody(Form):
    """The member goes to another union or enterprise."""

    on: Day
    union_id: Id
    enterprise_id: Id

    def of(self, member_id: UUID) -> Transfer:
        """The command."""
        return Transfer(member_id, self.on, self.union_id, self.enterprise_id)
