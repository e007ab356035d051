"""The bodies that callers send, as pydantic models that become commands. What a field may say is read by `domain.fields`.

In a batch a path's id stands in the body, as `enterprise_id`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from services.registry.domain import fields
from services.registry.domain.commands import (
    Close,
    Command,
    Correct,
    Move,
    Reclassify,
    RegisterArea,
    RegisterEnterprise,
    ReportHeadcount,
)
from services.registry.domain.fields import Wrong
from shared.contracts.registry import AreaKind
from shared.http.forms import Command as Form
from shared.http.forms import Data, Id, Text
from shared.journal.reasons import reason_of


def _read(reader: Callable[[Any], Any]) -> BeforeValidator:
    """A field is read by one of `domain.fields`."""

    def read(value: Any) -> Any:
        try:
            return reader(value)
        except Wrong as wrong:
            raise PydanticCustomError(wrong.code, wrong.code, wrong.params) from None

    return BeforeValidator(read)


def _text(*, null: bool = False, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "null"] if null else "string", **more})


def _anchored(form: re.Pattern[str]) -> str:
    return f"^{form.pattern}$"


def _or_none(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else reader(value)


Day = Annotated[date, _read(fields.day), _text(format="date")]
AreaCode = Annotated[str, _read(fields.area_code), _text(pattern=_anchored(fields.AREA_CODE))]
ValidFrom = Annotated[date | None, _read(_or_none(fields.day)), _text(null=True, format="date")]
Parent = Annotated[str | None, _read(_or_none(fields.area_code)), _text(null=True, pattern=_anchored(fields.AREA_CODE))]
Name = Annotated[str, _read(fields.name), _text(minLength=1, maxLength=fields.LONGEST_NAME)]
CreditCode = Annotated[str | None, _read(fields.credit_code), _text(null=True, minLength=18, maxLength=18)]
Industry = Annotated[str | None, _read(fields.industry), _text(null=True, pattern=_anchored(fields.INDUSTRY))]
Ownership = Annotated[str | None, _read(fields.ownership), _text(null=True, pattern=_anchored(fields.OWNERSHIP))]
Workers = Annotated[int, _read(fields.workers), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": fields.MOST_WORKERS})]
Revenue = Annotated[int | None, _read(fields.revenue_fen), WithJsonSchema({"type": ["number", "string", "null"], "minimum": 0})]


class Body(Form):
    """A command's body; fields that it does not know are an error."""

    op: ClassVar[str]


class Line(Body):
    """The body of a batch's line about an enterprise that exists."""

    enterprise_id: Id

    def of(self, enterprise_id: UUID) -> Command:
        """As the rules know it, said of that enterprise."""
        raise NotImplementedError

    def command(self) -> Command:
        """As the rules know it."""
        return self.of(self.enterprise_id)


class AreaBody(Body):
    """A division, or a park that lies in one. `parent` null: a root; `valid_from` left out: since ever."""

    op = "area"
    code: AreaCode
    name: Name
    kind: AreaKind
    parent: Parent = None
    valid_from: ValidFrom = None

    def command(self) -> RegisterArea:
        """As the rules know it."""
        return RegisterArea(self.code, self.name, self.kind, self.parent, self.valid_from)


class EnterpriseBody(Body):
    """An enterprise that settled in a park. What is left out is unknown."""

    op = "enterprise"
    name: Name
    credit_code: CreditCode = None
    park: AreaCode
    industry: Industry = None
    ownership: Ownership = None
    settled_on: Day

    def command(self) -> RegisterEnterprise:
        """As the rules know it."""
        return RegisterEnterprise(self.name, self.credit_code, self.park, self.industry, self.ownership, self.settled_on)


class HeadcountBody(Body):
    """So many workers on that day."""

    op = "headcount"
    on: Day
    workers: Workers

    def of(self, enterprise_id: UUID) -> ReportHeadcount:
        """As the rules know it."""
        return ReportHeadcount(enterprise_id, self.on, self.workers)


class MoveBody(Body):
    """The enterprise is in another park from that day on."""

    op = "move"
    on: Day
    park: AreaCode

    def of(self, enterprise_id: UUID) -> Move:
        """As the rules know it."""
        return Move(enterprise_id, self.on, self.park)


class ClassificationBody(Body):
    """At least one of them changes from that day on; `revenue` in yuan a year."""

    op = "classification"
    on: Day
    industry: Industry = None
    ownership: Ownership = None
    revenue: Revenue = None

    def of(self, enterprise_id: UUID) -> Reclassify:
        """As the rules know it."""
        return Reclassify(enterprise_id, self.on, self.industry, self.ownership, self.revenue)


class ClosureBody(Body):
    """The enterprise operates no longer. `reason` is a code, or a text that stays with the service."""

    op = "closure"
    on: Day
    reason: Text

    def of(self, enterprise_id: UUID) -> Close:
        """As the rules know it."""
        return Close(enterprise_id, self.on, reason_of(self.reason))


class HeadcountLine(HeadcountBody, Line):
    """A headcount in a batch."""


class MoveLine(MoveBody, Line):
    """A move in a batch."""


class ClassificationLine(ClassificationBody, Line):
    """A classification in a batch."""


class ClosureLine(ClosureBody, Line):
    """A closure in a batch."""


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
    model.op: model for model in (AreaBody, EnterpriseBody, HeadcountLine, MoveLine, ClassificationLine, ClosureLine, CorrectionBody)
}
"""{op of a batch's line: its body}"""
