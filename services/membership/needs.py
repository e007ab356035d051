"""What the commands of membership need, by command and by the fact that a correction or withdrawal names. No database here."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from services.membership.members.rules import Join, Leave
from services.membership.members.transfers import Transfer
from services.membership.unions.commands import Cover, Dissolve, Found
from shared.contracts import Event
from shared.contracts.ids import uuid_of
from shared.contracts.membership import CoverageEnded, CoverageStarted, MemberJoined, MemberLeft, UnionFounded
from shared.persons.documents import Document, document_of
from shared.persons.sealing import PersonKeys
from shared.problems.errors import Unprocessable
from shared.problems.texts import code_form
from shared.process.clock import Clock
from shared.writing import table
from shared.writing.facts import Correct, Standing
from shared.writing.standing import CheckedStreams

Hashes = list[tuple[int, bytes]]
"""(key version, hash) of a number under every key, the newest first."""


@dataclass(frozen=True, slots=True)
class Context:
    """What commands need besides a connection. `registry_topic` and `partitions` locate how far the registry was read."""

    clock: Clock
    person_keys: PersonKeys
    fingerprint_key: bytes
    registry_topic: str
    partitions: int
    checked: CheckedStreams = field(default_factory=CheckedStreams)


@dataclass
class Needs(table.Needs):
    """Ids of rows to load. `wide`: unions whose whole coverage is needed; `ending`: those of them whose units' streams get facts.

    `recorded`: enterprises of which this service has recorded facts: their streams exist even if the registry has withdrawn them.
    """

    person_keys: PersonKeys | None = None
    enterprises: set[UUID] = field(default_factory=set)
    recorded: set[UUID] = field(default_factory=set)
    unions: set[UUID] = field(default_factory=set)
    changed: set[UUID] = field(default_factory=set)
    """Unions that change: their streams are locked."""
    wide: set[UUID] = field(default_factory=set)
    ending: set[UUID] = field(default_factory=set)
    covering: set[tuple[UUID, UUID]] = field(default_factory=set)
    """(union, enterprise) of coverage that begins or ends."""
    memberships: set[UUID] = field(default_factory=set)
    ending_memberships: set[UUID] = field(default_factory=set)
    """Those of them that are left or transferred: of one that is over, the fact that ended it is needed, and those of what followed."""
    halves: set[UUID] = field(default_factory=set)
    """Those of whose transfers a half is corrected or withdrawn: what began and ended the person's other memberships is needed."""
    persons: set[int] = field(default_factory=set)
    """Persons of the memberships."""
    areas: set[str] = field(default_factory=set)
    joining: dict[tuple[str, str], tuple[Document, Hashes]] = field(default_factory=dict, repr=False)
    """{(kind, number) as the caller sent it: (the document, the hashes of its number)}"""


def needs_of(context: Context) -> Needs:
    """Nothing yet."""
    return Needs(person_keys=context.person_keys)


def found(needs: Needs, command: Found) -> None:
    """The units, the seat and the parent. Raises FIELD_REQUIRED (422)."""
    if (command.dissolved_on is None) != (command.dissolved_reason is None):
        raise Unprocessable("FIELD_REQUIRED", field="dissolved_on" if command.dissolved_on is None else "dissolved_reason")
    needs.enterprises.update(command.enterprises)
    needs.areas.add(command.seat_area)
    if command.parent_union_id:
        needs.unions.add(command.parent_union_id)


def cover(needs: Needs, command: Cover) -> None:
    """The union and the unit."""
    needs.enterprises.add(command.enterprise_id)
    needs.changed.add(command.union_id)
    needs.covering.add((command.union_id, command.enterprise_id))
    # Whether the union ends, or goes on, with this unit depends on the others.
    needs.wide.add(command.union_id)


def dissolve(needs: Needs, command: Dissolve) -> None:
    """The union and all its units."""
    needs.changed.add(command.union_id)
    needs.wide.add(command.union_id)
    needs.ending.add(command.union_id)


def join(needs: Needs, command: Join) -> None:
    """The union, the enterprise and the person. Raises FIELD_REQUIRED, and what documents are refused with (422)."""
    if (command.left_on is None) != (command.left_reason is None):
        raise Unprocessable("FIELD_REQUIRED", field="left_on" if command.left_on is None else "left_reason")
    needs.enterprises.add(command.enterprise_id)
    needs.unions.add(command.union_id)
    assert needs.person_keys is not None
    document = document_of(command.document_kind, command.document_number, command.joined_on)
    needs.joining[command.document_kind, command.document_number] = (document, needs.person_keys.number_hashes(document.number))


def leave(needs: Needs, command: Leave) -> None:
    """The membership, and by it its enterprise and person, and what followed if it is over."""
    needs.memberships.add(command.membership_id)
    needs.ending_memberships.add(command.membership_id)


def transfer(needs: Needs, command: Transfer) -> None:
    """The membership, its end and what followed if it is over, and where it goes."""
    needs.memberships.add(command.membership_id)
    needs.ending_memberships.add(command.membership_id)
    needs.enterprises.add(command.enterprise_id)
    needs.unions.add(command.union_id)


def correction(needs: Needs, command: Correct) -> None:
    """The new seat, if one is given."""
    if command.data and isinstance(seat := command.data.get("seat_area"), str):
        needs.areas.add(code_form(seat))


def stream(needs: Needs, subject: str) -> None:
    """The resource whose stream gets a correction or withdrawal: a union with all its units, or an enterprise."""
    kind, _, key = subject.partition("/")
    if kind == "union":
        needs.changed.add(uuid_of(key))
        needs.wide.add(uuid_of(key))
    else:
        needs.enterprises.add(uuid_of(key))
        needs.recorded.add(uuid_of(key))


def founded(needs: Needs, fact: Standing) -> None:
    """The seat."""
    assert isinstance(fact.data, UnionFounded)
    needs.areas.add(fact.data.seat_area)


def covered(needs: Needs, fact: Standing) -> None:
    """The union."""
    assert isinstance(fact.data, CoverageStarted | CoverageEnded)
    needs.changed.add(fact.data.union_id)


def member(needs: Needs, fact: Standing) -> None:
    """The membership and its union; of a transfer also the other half."""
    assert isinstance(fact.data, MemberJoined | MemberLeft)
    needs.memberships.add(fact.data.membership_id)
    if fact.data.transfer_id is not None:
        needs.halves.add(fact.data.membership_id)
    needs.unions.add(fact.data.union_id)


def resource_of(subject: str, data: Event | None) -> UUID:
    """Whose ETag a correction compares: the membership that the fact is about, else the union, else what the stream is of."""
    found_id = getattr(data, "membership_id", None) or getattr(data, "union_id", None)
    return found_id or uuid_of(subject.partition("/")[2])
