"""The bodies of commands and of a batch's lines, by a service's table. Imports no web framework: programs that only write lines start sooner."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field

from shared.contracts.codes import CORRECTING
from shared.http.forms import Command as Body
from shared.http.forms import Data, Id, Listed, Note, Text
from shared.journal.reasons import reason_of
from shared.writing.facts import Correct, World
from shared.writing.table import Needs, Table

W = TypeVar("W", bound=World)
N = TypeVar("N", bound=Needs)

LONGEST_LINE = 64 * 1024
"""Bytes of a line."""
CORRECTION_OP = "correction"


class CorrectionBody(Body):
    """An earlier fact was wrong. `data`: the fields that change, by the names of the command; null: the fact never was.

    `note`: a text that stays with the service."""

    corrects: Id = Field(
        description="The event that states the fact now: of a fact that was corrected, the last correction.",
        examples=["01938c5e-7f01-7000-8000-0000000000f1"],
    )
    reason: Annotated[Text, Listed(CORRECTING)] = Field(examples=["typo"])
    data: Data | None = Field(
        description="The fields that change, by the names of the command that stated the fact; null: the fact never was.",
        examples=[{"workers": 112}],
    )
    note: Note | None = Field(None, description="A text about it, which stays with the service and enters no event.", examples=[None])

    def command(self) -> Correct:
        """The command."""
        return Correct(self.corrects, reason_of(self.reason, self.note), self.data)


def models(table: Table[W, N]) -> dict[str, type[BaseModel]]:
    """{op of a batch's line: the model of its body}. A command that needs another scope than the batch is none of its ops."""
    lines = {op: command.line() for op, command in table.ops.items() if command.scope in (None, f"{table.service}:write")}
    return {**lines, CORRECTION_OP: CorrectionBody}


def command_of(table: Table[W, N], op: str, body: Any) -> Any:
    """The command of a line's validated body."""
    return body.command() if op == CORRECTION_OP else table.ops[op].of(body)
