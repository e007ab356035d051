"""What each command comes to, on a world that is loaded and locked: check the grant, decide, take the facts into the world.

A command that is refused leaves the world as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from services.membership.documents import Documents
from services.membership.domain import closing, corrections, coverage, members, unions, withdrawals
from services.membership.domain.commands import Command, Correct, Cover, Dissolve, Found, Join, Leave, Transfer, Withdraw
from services.membership.domain.corrections import Target
from services.membership.domain.evolve import evolve
from services.membership.domain.state import RESERVED_REASONS, Fact, PersonNo, World, enterprise_subject, union_subject
from services.membership.loading import Hashes, Loaded
from services.membership.people import NewPerson
from shared.contracts.ids import uuid7
from shared.http.auth import Areas
from shared.journal.reasons import Reason
from shared.problems.days import require_day
from shared.problems.errors import Unprocessable
from shared.writing.preconditions import Expected, require_expected


@dataclass(slots=True)
class Decided:
    """What one command came to: the facts, the id to answer, and the subject whose sequence is answered. `corrects`: id is the event's."""

    id: str
    subject: str
    facts: list[Fact]
    warnings: list[str] = field(default_factory=list)
    id_is_event: bool = False


class Handlers:
    """Decides line after line on one world."""

    def __init__(self, documents: Documents, loaded: Loaded, areas: Areas) -> None:
        self.world: World = loaded.world
        self.new_persons: dict[bytes, NewPerson] = {}
        self.reasons: list[Reason] = []
        self._documents = documents
        self._loaded = loaded
        self._today = loaded.today
        self._areas = areas
        self._corrected: set[tuple[str, int]] = set()

    def decide(self, command: Command, number: str | None, hashes: Hashes | None, expected: Expected = None) -> Decided:
        """What the command comes to, evolved into the world. Raises the problem for which it is refused; the world is then unchanged."""
        match command:
            case Join():
                assert number is not None
                assert hashes is not None
                return self._join(command, number, hashes[0][1])
            case Found():
                return self._found(command)
            case Cover():
                return self._cover(command, expected)
            case Dissolve():
                return self._dissolve(command, expected)
            case Leave():
                return self._leave(command, expected)
            case Transfer():
                return self._transfer(command, expected)
            case Correct():
                return self._correct(command, expected)
            case Withdraw():
                return self._withdraw(command)

    def _join(self, command: Join, number: str, digest: bytes) -> Decided:
        require_day(command.joined_on, self._today, "joined_on")
        self._grant_enterprise(command.enterprise_id, "enterprise_id")
        person = self._loaded.persons[digest]
        membership_id = uuid7()
        facts = members.join(self.world, command, person, membership_id)
        if person < 0 and digest not in self.new_persons:
            person_id = uuid7()
            self.new_persons[digest] = NewPerson(person_id, command.document_kind, digest, self._documents.seal(person_id, number))
        evolve(self.world, facts[0], person)
        warnings = self._settled(command.enterprise_id, command.joined_on)
        return Decided(str(membership_id), facts[0].subject, facts, warnings)

    def _found(self, command: Found) -> Decided:
        require_day(command.approved_on, self._today, "approved_on")
        self.world.require_granted(self._areas, command.seat_area, "seat_area")
        for enterprise_id in command.enterprises:
            self._grant_enterprise(enterprise_id, "enterprises")
        union_id = uuid7()
        facts = unions.found(self.world, command, union_id)
        self._evolve(facts)
        warnings = sorted({code for enterprise in command.enterprises for code in self._settled(enterprise, command.approved_on)})
        for enterprise_id in command.enterprises:
            facts += self._follow_closure(enterprise_id)
        return Decided(str(union_id), union_subject(union_id), facts, warnings)

    def _cover(self, command: Cover, expected: Expected) -> Decided:
        require_day(command.on, self._today, "on")
        self._grant_union(command.union_id, expected)
        self._grant_enterprise(command.enterprise_id, "enterprise_id")
        facts = coverage.change(self.world, command)
        self._evolve(facts)
        warnings = self._settled(command.enterprise_id, command.on) if command.started else []
        facts += self._follow_closure(command.enterprise_id)
        return Decided(str(command.union_id), enterprise_subject(command.enterprise_id), facts, warnings)

    def _dissolve(self, command: Dissolve, expected: Expected) -> Decided:
        require_day(command.on, self._today, "on")
        self._grant_union(command.union_id, expected)
        self._take(command.reason)
        facts = unions.dissolve(self.world, command)
        self._keep(command.reason)
        self._evolve(facts)
        return Decided(str(command.union_id), union_subject(command.union_id), facts)

    def _leave(self, command: Leave, expected: Expected) -> Decided:
        require_day(command.on, self._today, "on")
        self._grant_member(command.membership_id, expected)
        self._take(command.reason)
        facts = members.leave(self.world, command)
        self._keep(command.reason)
        self._evolve(facts)
        return Decided(str(command.membership_id), facts[0].subject, facts)

    def _transfer(self, command: Transfer, expected: Expected) -> Decided:
        require_day(command.on, self._today, "on")
        self._grant_member(command.membership_id, expected)
        self._grant_enterprise(command.enterprise_id, "enterprise_id")
        membership_id = uuid7()
        facts = members.transfer(self.world, command, membership_id, uuid7())
        person: PersonNo = self.world.membership(command.membership_id).person
        self._evolve(facts, person)
        return Decided(str(membership_id), facts[1].subject, facts, self._settled(command.enterprise_id, command.on))

    def _correct(self, command: Correct, expected: Expected) -> Decided:
        target = self._loaded.targets.get(command.corrects)
        if target is None:
            raise corrections.unknown_event(command.corrects)
        self._grant_target(target, command)
        self._require_expected_of(target, expected)
        if (target.subject, target.rank) in self._corrected:
            raise corrections.already_corrected(None)
        trial = self.world.copy()
        facts = corrections.correct(trial, command, target, self._today)
        self.world = trial
        self._corrected.add((target.subject, target.rank))
        self._keep(command.reason)
        return Decided("", facts[0].subject, facts, id_is_event=True)

    def _withdraw(self, command: Withdraw) -> Decided:
        self.world.require_granted(self._areas, None, "subject")
        trial = self.world.copy()
        stream = self._loaded.withdrawn[command.subject, command.first, command.last]
        facts = withdrawals.withdraw(trial, command, stream, self._today)
        self.world = trial
        self._keep(command.reason)
        return Decided("", command.subject, facts, id_is_event=True)

    def _evolve(self, facts: Sequence[Fact], person: PersonNo | None = None) -> None:
        for fact in facts:
            evolve(self.world, fact, person)

    def _follow_closure(self, enterprise_id: UUID) -> list[Fact]:
        enterprise = self.world.enterprises[enterprise_id]
        return [] if enterprise.closed_on is None else closing.follow_closure(self.world, enterprise_id, enterprise.closing)

    def _settled(self, enterprise_id: UUID, on: date) -> list[str]:
        return ["BEFORE_SETTLED"] if on < self.world.enterprises[enterprise_id].settled_on else []

    def _take(self, reason: Reason) -> None:
        if reason.code in RESERVED_REASONS:
            raise Unprocessable("RESERVED_REASON", field="reason", params={"reason": reason.code})

    def _keep(self, reason: Reason) -> None:
        if reason.note_id:
            self.reasons.append(reason)

    def _grant_enterprise(self, enterprise_id: UUID, field: str) -> None:
        self.world.require_granted(self._areas, self.world.enterprise(enterprise_id, field).park, field)

    def _grant_union(self, union_id: UUID, expected: Expected = None) -> None:
        self.world.require_granted(self._areas, self.world.union(union_id).seat_area, "union_id")
        require_expected(expected, self._loaded.etags.get(union_id))

    def _grant_member(self, membership_id: UUID, expected: Expected) -> None:
        member = self.world.membership(membership_id)
        # At an enterprise that was withdrawn only those with every area may speak.
        at = self.world.enterprises.get(member.enterprise_id)
        self.world.require_granted(self._areas, at.park if at else None, "member_id")
        require_expected(expected, self._loaded.etags.get(membership_id))

    def _grant_target(self, target: Target, command: Correct) -> None:
        kind, _, key = target.subject.partition("/")
        if kind == "union" and UUID(key) in self.world.unions:
            self._grant_union(UUID(key))
        elif kind == "enterprise" and UUID(key) in self.world.enterprises:
            self._grant_enterprise(UUID(key), "corrects")
        else:
            # Of a union that was withdrawn only those with every area may speak.
            self.world.require_granted(self._areas, None, "corrects")
        if command.data and isinstance(seat := command.data.get("seat_area"), str):
            self.world.require_granted(self._areas, seat, "data.seat_area")

    def _require_expected_of(self, target: Target, expected: Expected) -> None:
        """A fact is part of the membership that it is about, else of the union."""
        data = target.placed.data if target.placed else {}
        changed = data.get("membership_id") or data.get("union_id") or target.subject.partition("/")[2]
        require_expected(expected, self._loaded.etags.get(UUID(changed)))
