"""The body that registers an area."""

from __future__ import annotations

from services.registry.areas.area import RegisterArea
from services.registry.bodies import AreaCode, Name, Parent, ValidFrom
from shared.contracts.registry import AreaKind
from shared.http.forms import Command


class AreaBody(Command):
    """A division, or a park that lies in one. `parent` null: a root; `valid_from` left out: since ever."""

    code: AreaCode
    name: Name
    kind: AreaKind
    parent: Parent = None
    valid_from: ValidFrom = None

    def command(self) -> RegisterArea:
        """As the rules know it."""
        return RegisterArea(self.code, self.name, self.kind, self.parent, self.valid_from)
