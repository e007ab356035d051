"""The body that registers an area."""

from __future__ import annotations

from pydantic import Field

from services.registry.areas.area import RegisterArea
from services.registry.bodies import AreaCode, Name, Parent, ValidFrom
from shared.contracts.registry import AreaKind
from shared.http.forms import Command


class AreaBody(Command):
    """A division, or a park that lies in one. `parent` null: a root; `valid_from` left out: since ever."""

    code: AreaCode = Field(description="Its code, for ever: of a division that of GB/T 2260 where there is one.", examples=["330200-P001"])
    name: Name = Field(description="Its name, 200 characters at most.", examples=["示例产业园"])
    kind: AreaKind = Field(description="A division, which may hold areas, or a park, which holds enterprises.", examples=["park"])
    parent: Parent = Field(None, description="The division in which it lies directly; null: a root. A park needs one.", examples=["330200"])
    valid_from: ValidFrom = Field(None, description="The first day on which it lies there; null: since ever.", examples=["2024-01-01"])

    def command(self) -> RegisterArea:
        """As the rules know it."""
        return RegisterArea(self.code, self.name, self.kind, self.parent, self.valid_from)
