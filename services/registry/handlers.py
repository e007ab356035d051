"""What each command comes to, on a world that is loaded and locked: check the grant, decide, take the facts into the world.

A command that is refused leaves the world as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from services.registry.domain import areas, corrections, enterprises, withdrawals
from services.registry.domain.commands import (
    Close,
    Command,
    Correct,
    Move,
    Reclassify,
    RegisterArea,
    RegisterEnterprise,
    ReportHeadcount,
    Withdraw,
)
from services.registry.domain.evolve import take
from services.registry.domain.state import Enterprise, Fact, World, enterprise_subject
from services.registry.grants import require_granted
from services.registry.loading import Loaded
from shared.contracts.ids import uuid7
from shared.http.auth import Areas
from shared.journal.reasons import Reason
from shared.writing.preconditions import Expected, require_expected


@dataclass(slots=True)
class Decided:
    """What one command came to: the fact, and the id to answer; None: that of the event."""

    id: str | None
    fact: Fact
    warnings: list[str] = field(default_factory=list)


class Handlers:
    """Decides line after line on one world."""

    def __init__(self, loaded: Loaded, granted: Areas) -> None:
        self.world: World = loaded.world
        self.reasons: list[Reason] = []
        self._today = loaded.today
        self._subjects = loaded.subjects
        self._areas = granted

    def decide(self, command: Command, expected: Expected = None) -> Decided:
        """What the command comes to, taken into the world. Raises the problem for which it is refused; the world is then unchanged."""
        match command:
            case RegisterArea():
                return self._register_area(command)
            case RegisterEnterprise():
                return self._register(command)
            case ReportHeadcount() | Move() | Reclassify() | Close():
                return self._change(command, expected)
            case Correct():
                return self._correct(command, expected)
            case Withdraw():
                return self._withdraw(command)

    def _register_area(self, command: RegisterArea) -> Decided:
        self._grant(command.parent, "parent")
        fact = areas.register(self.world, command, self._today)
        take(self.world, fact)
        return Decided(command.code, fact)

    def _register(self, command: RegisterEnterprise) -> Decided:
        self._grant(command.park, "park")
        enterprise_id = uuid7()
        fact = enterprises.register(self.world, command, enterprise_id, self._today)
        warnings = enterprises.warnings_of_name(self.world, command.name, command.park, enterprise_id)
        take(self.world, fact)
        return Decided(str(enterprise_id), fact, warnings)

    def _change(self, command: ReportHeadcount | Move | Reclassify | Close, expected: Expected) -> Decided:
        enterprise = self._granted_enterprise(command.enterprise_id, "enterprise_id")
        history = self.world.history(enterprise_subject(enterprise.id))
        history.require_readable()
        require_expected(expected, history.etag)
        match command:
            case ReportHeadcount():
                fact = enterprises.report(self.world, command, self._today)
            case Reclassify():
                fact = enterprises.reclassify(self.world, command, self._today)
            case Move():
                self._grant(command.park, "park")
                fact = enterprises.move(self.world, command, self._today)
            case Close():
                fact = enterprises.close(self.world, command, self._today)
                self._keep(command.reason)
        take(self.world, fact)
        return Decided(str(enterprise.id), fact, enterprises.warnings_of(enterprise, self.world.history(fact.subject), fact))

    def _correct(self, command: Correct, expected: Expected) -> Decided:
        subject = self._subjects.get(command.corrects)
        if subject is None:
            raise corrections.unknown_event(command.corrects)
        kind, _, key = subject.partition("/")
        data = command.data or {}
        enterprise = self.world.enterprises.get(UUID(key)) if kind == "enterprise" else None
        # Of an enterprise that was withdrawn only those with every area may speak.
        self._grant(key if kind == "area" else enterprise.park if enterprise else None, "corrects")
        history = self.world.history(subject)
        history.require_readable()
        require_expected(expected, history.etag)
        for name in ("park", "parent"):
            if name in data and (data[name] is None or isinstance(data[name], str)):
                self._grant(data[name], f"data.{name}")
        fact = corrections.correct(self.world, command, history, self._today)
        take(self.world, fact)
        self._keep(command.reason)
        return Decided(None, fact)

    def _withdraw(self, command: Withdraw) -> Decided:
        self._grant(None, "subject")
        fact = withdrawals.withdraw(self.world, command, self.world.history(command.subject), self._today)
        take(self.world, fact)
        self._keep(command.reason)
        return Decided(None, fact)

    def _granted_enterprise(self, enterprise_id: UUID, field: str) -> Enterprise:
        enterprise = self.world.enterprise(enterprise_id, field)
        self._grant(enterprise.park, field)
        return enterprise

    def _grant(self, code: str | None, field: str) -> None:
        require_granted(self.world, self._areas, code, field)

    def _keep(self, reason: Reason) -> None:
        if reason.note_id:
            self.reasons.append(reason)
