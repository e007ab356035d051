"""The bodies that callers send, as pydantic models that become commands, and the forms of answers. Nothing here knows a database.

In a batch a path's id stands in the body, as `union_id` or `member_id`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from services.membership.domain import commands
from services.membership.domain.commands import Correct, Cover, Dissolve, Found, Join, Leave, Transfer
from services.membership.domain.unions import MOST_ENTERPRISES
from shared.contracts.membership import UnionKind
from shared.http.forms import AreaCode, Data, Day, Id, Name, Text
from shared.http.forms import Command as Form
from shared.journal.reasons import reason_of


class Body(Form):
    """A command's body."""

    op: ClassVar[str]


class UnionBody(Body):
    """A union approved by the next higher union. `enterprises` are the units that it covers from `approved_on` on."""

    op = "union"
    kind: UnionKind
    name: Name | None = None
    parent_union_id: Id | None = None
    seat_area: AreaCode
    approved_on: Day
    enterprises: list[Id] = Field(default_factory=list, max_length=MOST_ENTERPRISES)

    def command(self) -> Found:
        """As the rules know it."""
        return Found(self.kind, self.name, self.parent_union_id, self.seat_area, self.approved_on, tuple(self.enterprises))


class CoverageBody(Body):
    """The union begins (`"started": true`) or ceases (`"ended": true`) to cover the enterprise; `action` says the same in one word.

    `false` says nothing, as if it were left out."""

    enterprise_id: Id
    on: Day
    started: StrictBool | None = None
    ended: StrictBool | None = None
    action: Literal["started", "ended"] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> CoverageBody:
        if len({"started" if self.started else None, "ended" if self.ended else None, self.action} - {None}) != 1:
            raise PydanticCustomError("STARTED_OR_ENDED", "say either started or ended")
        return self

    def of(self, union_id: UUID) -> Cover:
        """As the rules know it."""
        return Cover(union_id, self.enterprise_id, self.on, started=self.started is True or self.action == "started")


class CoverageLine(CoverageBody):
    """A coverage in a batch."""

    op = "coverage"
    union_id: Id

    def command(self) -> Cover:
        """As the rules know it."""
        return self.of(self.union_id)


class DissolutionBody(Body):
    """The union ends. `reason` is a code, or a text that stays with the service."""

    on: Day
    reason: Text

    def of(self, union_id: UUID) -> Dissolve:
        """As the rules know it."""
        return Dissolve(union_id, self.on, reason_of(self.reason))


class DissolutionLine(DissolutionBody):
    """A dissolution in a batch."""

    op = "dissolution"
    union_id: Id

    def command(self) -> Dissolve:
        """As the rules know it."""
        return self.of(self.union_id)


class DocumentBody(Body):
    """An identity document: `resident_id`, `permit`, `passport`, … and its number."""

    kind: str = Field(min_length=1, max_length=32)
    number: str = Field(min_length=1, max_length=128, repr=False)


class MemberBody(Body):
    """A person joins the union at an enterprise that it covers."""

    op = "member"
    union_id: Id
    enterprise_id: Id
    document: DocumentBody
    joined_on: Day

    def command(self) -> Join:
        """As the rules know it."""
        return Join(self.union_id, self.enterprise_id, self.document.kind, self.document.number, self.joined_on)


class LeaveBody(Body):
    """The member leaves. `reason` is a code, or a text that stays with the service."""

    on: Day
    reason: Text

    def of(self, member_id: UUID) -> Leave:
        """As the rules know it."""
        return Leave(member_id, self.on, reason_of(self.reason))


class LeaveLine(LeaveBody):
    """A leave in a batch."""

    op = "leave"
    member_id: Id

    def command(self) -> Leave:
        """As the rules know it."""
        return self.of(self.member_id)


class TransferBody(Body):
    """The member goes to another union or enterprise."""

    on: Day
    union_id: Id
    enterprise_id: Id

    def of(self, member_id: UUID) -> Transfer:
        """As the rules know it."""
        return Transfer(member_id, self.on, self.union_id, self.enterprise_id)


class TransferLine(TransferBody):
    """A transfer in a batch."""

    op = "transfer"
    member_id: Id

    def command(self) -> Transfer:
        """As the rules know it."""
        return self.of(self.member_id)


class CorrectionBody(Body):
    """An earlier fact was wrong. `data`: the fields that change, by the names of the command; null: the fact never was."""

    op = "correction"
    corrects: Id
    reason: Text
    data: Data | None

    def command(self) -> Correct:
        """As the rules know it."""
        return Correct(self.corrects, reason_of(self.reason), self.data)


OPS: dict[str, type[Body]] = {
    model.op: model for model in (UnionBody, CoverageLine, DissolutionLine, MemberBody, LeaveLine, TransferLine, CorrectionBody)
}
"""{op of a batch's line: its body}; each has `command()`."""


def command_of(body: Any) -> commands.Command:
    """The command of a body of `OPS`."""
    command: commands.Command = body.command()
    return command
