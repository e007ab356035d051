"""The declaration of a writing service: a row per kind of fact, a row per command. Everything in `shared/writing` is driven by it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import date
from typing import Annotated, Any, Generic, Protocol, TypeAlias, TypeVar, get_type_hints
from uuid import UUID

import asyncpg
import pydantic
from pydantic import BaseModel, create_model

from shared.contracts import TYPES, Event
from shared.contracts.codes import CodeList
from shared.http.auth import ROOT, Areas
from shared.http.forms import Command as Body
from shared.http.forms import Id, Note, Text, lists_of
from shared.journal.reasons import Reason, reason_of
from shared.problems.errors import Notice
from shared.problems.preconditions import Expected, require_expected
from shared.process.clock import Clock
from shared.process.db import Connection
from shared.writing.facts import Correct, Decision, Fact, Revision, Standing, World
from shared.writing.fields import Reader

C = TypeVar("C")
N = TypeVar("N", bound="Needs")
W = TypeVar("W", bound=World)


EXAMPLE_ID = "01938c5e-7f00-7000-8000-0000000000e1"


class Context(Protocol):
    """What commands need besides a connection. A service may add to it."""

    @property
    def clock(self) -> Clock: ...

    @property
    def fingerprint_key(self) -> bytes:
        """Key of the HMAC by which idempotency rows recognise a body."""


@dataclass
class Needs:
    """What the commands of one transaction need, collected before anything is locked. A service adds the keys of its own rows."""

    streams: set[str] = field(default_factory=set)
    """Streams to lock, as far as they exist."""
    events: set[UUID] = field(default_factory=set)
    """Events that corrections name."""
    ranges: set[tuple[str, int, int]] = field(default_factory=set)
    """(stream, first, last) that withdrawals name."""
    paths: bool = False
    """Whether paths of areas are needed for grants: false if the caller has every area."""
    etags: bool = False
    """Whether a command comes with If-Match."""


class Grants(Protocol):
    """A world that knows in which areas an area lies."""

    def require_granted(self, areas: Areas, code: str | None, field: str) -> None:
        """Raises AREA_NOT_GRANTED (403)."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller may do: the areas of the token, and the ETags of If-Match. `asked`: the areas for which a grant was needed, `*` all."""

    areas: Areas
    expected: Expected = None
    asked: set[str] = field(default_factory=set)

    def area(self, world: Grants, code: str | None, field: str) -> None:
        """Raises AREA_NOT_GRANTED (403) unless the area is granted; `code` None needs every area."""
        self.asked.add(ROOT if code is None else code)
        world.require_granted(self.areas, code, field)

    def everywhere(self, field: str) -> None:
        """Raises AREA_NOT_GRANTED (403) unless every area is granted."""
        self.asked.add(ROOT)
        self.areas.require(None, None, field)

    def resource(self, world: World, subject: str, etag: str | None = None) -> None:
        """The resource that a command changes, on the stream `subject`. Raises STREAM_UNREADABLE (409), PRECONDITION_FAILED (412)."""
        world.require_readable(subject)
        require_expected(self.expected, etag)


Places: TypeAlias = "Sequence[tuple[date, str]]"
"""Where the resource of a stream is: (from this day on, area) in order; before the first day it is where it is then. Empty: there is none."""


def nothing(*_: Any) -> None:
    """A hook that does nothing."""


def nowhere(*_: Any) -> tuple[str | None, ...]:
    """A hook that names no areas."""
    return ()


def no_warnings(*_: Any) -> tuple[str | Notice, ...]:
    """A hook that warns of nothing."""
    return ()


def no_facts(*_: Any) -> list[Fact]:
    """A hook from which nothing follows."""
    return []


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a fact that a correction may change: its name in the fact, and its reader.

    `placeless`: it says something of the resource as such, on no day and in no place, as a name does, and enters no figure.
    """

    name: str
    read: Reader
    placeless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FactKind(Generic[W]):
    """A kind of fact. Effects on the state go by (stream, rank): a correction puts another content in the same place."""

    contract: type[Event]
    put: Callable[[W, Standing, Any], None] = nothing
    """The fact holds as given, new or in place of an earlier content. The last argument is `Fact.private` of a new fact, else None."""
    drop: Callable[[W, Standing], None] = nothing
    """The fact, given as it held, holds no longer."""
    listed: bool = False
    """Whether the table `standing_facts` keeps it as it stands (`shared/writing/listing.py`). Not with `whole_streams`: there `History.holding` has
    the facts of a kind."""
    date: str = "on"
    """The name of its date in the command. A correction may also call it `occurred_on`."""
    fields: Mapping[str, Field] = field(default_factory=dict)
    """{name in the command: field} that a correction may change besides the date. A new `reason` removes the note of the old one."""
    correctable: bool = True
    needs: Callable[[Any, Standing], None] = nothing
    """Adds to Needs what a correction or withdrawal of the fact needs, before the locks."""
    before: Callable[[W, Standing, Revision], None] = nothing
    """Refuses a correction or withdrawal by the world before it."""
    complete: Callable[[W, Standing, Mapping[str, Any]], Event] | None = None
    """Completes the changed fact with what is decided from its fields; the mapping holds the fields that change, by the fact's names."""
    follow: Callable[[W, Standing, Revision], list[Fact]] = no_facts
    """Facts that follow, by the world after the correction or withdrawal; the fact is given as it held before."""
    after: Callable[[W, Standing, Revision], None] = nothing
    """Refuses a correction or withdrawal by the world after it and what follows."""
    warn: Callable[[W, Standing, Revision], Collection[str | Notice]] = no_warnings
    """Warnings of a correction or withdrawal, by the world after it; the fact is given as it held before."""
    also: Callable[[W, Standing], Collection[str | None]] = nowhere
    """Areas of other resources that the fact is about, besides that of its stream: a correction needs their grant, too. None: every area."""


_NOTE = pydantic.Field(description="A text about it, which stays with the service and enters no event.", examples=[None])


def _body_of(kind: type[Any], path_id: str | None) -> type[BaseModel]:
    """The model of the body of a command that is declared once, as a dataclass."""
    types = get_type_hints(kind, include_extras=True)
    given: dict[str, Any] = {}
    for item in fields(kind):
        if item.name == path_id:
            continue
        form, default = types[item.name], ... if item.default is MISSING else item.default
        if getattr(form, "__origin__", form) is Reason:
            form = Annotated[Text, *form.__metadata__]
            given["note"] = (Annotated[Note | None, _NOTE], None)
        given[item.name] = (form, default)
    return create_model(f"{kind.__name__}Body", __base__=Body, __doc__=kind.__doc__, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandKind(Generic[C, W]):
    """A command: `POST /v1<path>`, or another `method`, and the `op` of a batch."""

    op: str
    name: str
    """Names the route: its operation id and its summary."""
    path: str
    """With one `{<id>}` if the command is about something that exists. In a batch that id is a field of the body."""
    tags: Sequence[str]
    kind: type[C]
    """A frozen dataclass."""
    needs: Callable[[Any, C], None]
    """Adds to Needs. May raise a Problem, which refuses the line."""
    permit: Callable[[W, C, Access], None]
    """Raises a Problem unless the caller may do this on what is there."""
    decide: Callable[[W, C, date], Decision]
    """Pure: `(world, command, today)` → facts. Raises a Problem."""
    rows: str = ""
    """KIND of `./parkunion import` whose rows are this command. Left out: the op in the plural, with an s."""
    date: str | None = None
    """The command's business date, checked first (1900-01-01 to today). None: `decide` checks it."""
    method: str = "POST"
    path_form: Any = Id
    """The type of what the path names; a UUID, unless a table is named by what it is about, such as a year: then annotated with a Field that
    describes it."""
    scope: str | None = None
    """None: the service's scope for writing."""
    doc: str | None = None
    """The description in the OpenAPI document; None: the docstring of the body."""
    body: type[BaseModel] = BaseModel
    """Left out: made of the fields of `kind`, whose types are those of `shared.http.forms`, without the path's id. A Reason, annotated with its
    list (`Listed`), is a code there with a `note` beside it."""
    lists: Mapping[str, CodeList] = field(default_factory=dict, init=False)
    """{field that holds a code: its list}, as the body declares it."""
    command: Callable[..., C] | None = None
    """`(body)` or, with an id in the path, `(body, id)` → the command. None: `kind` has the fields of the body and the id."""

    def __post_init__(self) -> None:
        if self.body is BaseModel:
            object.__setattr__(self, "body", _body_of(self.kind, self.path_id))
        if not self.rows:
            object.__setattr__(self, "rows", f"{self.op}s")
        object.__setattr__(self, "lists", lists_of(self.body))

    @property
    def path_id(self) -> str | None:
        """The name of the id in the path."""
        return self.path.partition("{")[2].partition("}")[0] or None

    def line(self) -> type[BaseModel]:
        """The model of the body in a batch: with the path's id."""
        if self.path_id is None:
            return self.body
        described = _named_by(self)
        more: dict[str, Any] = {self.path_id: (self.path_form, described)}
        return create_model(f"{self.body.__name__}Line", __base__=self.body, __doc__=self.body.__doc__, **more)

    def of(self, body: BaseModel, path_id: Any = None) -> C:
        """The command of a route's body, or (without an id) of a batch's."""
        ids = {} if self.path_id is None else {self.path_id: getattr(body, self.path_id) if path_id is None else path_id}
        if self.command is not None:
            return self.command(body, *ids.values())
        values = {name: getattr(body, name) for name in self.body.model_fields}
        if "note" in values:
            values["reason"] = reason_of(values["reason"], values.pop("note"))
        made: C = self.kind(**ids, **values)
        return made


def _named_by(command: CommandKind[Any, Any]) -> Any:
    """The field of a batch's line that names what a path names."""
    assert command.path_id is not None
    if command.path_form is Id:
        return pydantic.Field(description=f"The id of the {command.path_id.removesuffix('_id')}.", examples=[EXAMPLE_ID])
    return ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections(Generic[W]):
    """What a service adds to corrections and withdrawals, which are the same in all."""

    permit: Callable[[W, Standing, Correct, Access], None]
    """Raises a Problem unless the fact may be corrected: by If-Match, or because its stream cannot be read. Grants are not asked here: they
    are the same for every fact (shared/writing/granting.py). The fact may be withdrawn."""
    needs: Callable[[Any, Correct], None] = nothing
    """Adds to Needs what the changed fields refer to."""
    stream: Callable[[Any, str], None] = nothing
    """Adds to Needs what a correction or withdrawal on the stream needs, before the locks."""
    reserved: frozenset[str] = frozenset()
    """Codes of `reason` that no correction writes or replaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks(Generic[N]):
    """One step of locking: streams of one kind, in the order of docs/design/ENGINE.md, Writing 2."""

    wanted: Callable[[Connection, N], Awaitable[Collection[str]]]
    """The streams to lock."""
    known: Callable[[Connection, N], Awaitable[Collection[str]]] | None = None
    """Asked if some of them do not exist: those to lock all the same; the missing ones are created. None: only existing streams."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was appended: {(stream, rank): event that states the fact now}, the facts, and new streams among theirs."""

    events: Mapping[tuple[str, int], UUID]
    facts: Sequence[Fact]


class ConcurrentChange(asyncpg.SerializationError):
    """A concurrent command invalidated this decision; retry."""


async def named_streams(_: Connection, needs: Needs) -> Collection[str]:
    """The simplest step of locking: the streams that the commands name, and those of corrections."""
    return needs.streams


@dataclass(kw_only=True, eq=False)
class Table(Generic[W, N]):
    """A writing service: its facts, its commands, and how its world is loaded and written."""

    service: str
    """As in its scopes: `<service>:write`, `<service>:operate`."""
    source: str
    """CloudEvents `source` of its events."""
    facts: Sequence[FactKind[W]]
    commands: Sequence[CommandKind[Any, W]]
    corrections: Corrections[W]
    world: Callable[[], W]
    needs: Callable[[Any], N]
    """Makes an empty Needs from the service's Context."""
    locks: Sequence[Locks[N]]
    places: Callable[[W, str], Places]
    """`(world, stream)`: where its resource is, as the world has it. The paths of these areas are loaded if `Needs.paths`."""
    paths: Callable[[Connection, Collection[str]], Awaitable[Mapping[str, Sequence[str]]]]
    """{area: itself and all that it lies in}, of these areas, as far as they exist."""
    load: Callable[[Connection, Any, N, W], Awaitable[None]]
    """`(conn, context, needs, world)`: fills the world after the locks. `heads` is there, and `histories` of whole streams."""
    write: Callable[[Connection, W, Recorded], Awaitable[None]]
    """Brings the state tables up to the world, after the journal. Raises ConcurrentChange."""
    prepare: Callable[[Connection, Any, W], Awaitable[None]] | None = None
    """Writes rows that must precede the events: `(conn, context, world)`."""
    widen: Callable[[Connection, N], Awaitable[None]] | None = None
    """Adds to Needs by a look before the locks."""
    whole_streams: bool = False
    """Facts of locked streams are folded from the journal in full. False: state tables hold what is needed, and `corrections` the last
    correction of each fact."""
    batch_separator: str = "/"
    """Between `/v1/batch` and the op in the fingerprint of a batch's line. Historical, and kept: rows of earlier releases must answer."""
    batch_name: str = "batch"
    batch_doc: str = "Up to 1,000 commands in one transaction; a refused line changes nothing and stops no other."

    def __post_init__(self) -> None:
        if self.whole_streams and any(kind.listed for kind in self.facts):
            raise TypeError("a fact of whole streams is not listed: its history has it (History.holding)")
        self._kinds = {kind.contract: kind for kind in self.facts}
        names = {contract: name for name, contract in TYPES.items()}
        self._by_name = {names[kind.contract]: kind for kind in self.facts}
        self._commands = {command.kind: command for command in self.commands}
        self.ops: dict[str, CommandKind[Any, W]] = {command.op: command for command in self.commands}
        """{op of a batch's line: its command}, without corrections."""

    def kind_of(self, data: Event) -> FactKind[W]:
        """The row of a fact. Raises KeyError."""
        return self._kinds[type(data)]

    @property
    def listed_types(self) -> list[str]:
        """The CloudEvents types that the table `standing_facts` keeps."""
        return [name for name, kind in self._by_name.items() if kind.listed]

    def kind_named(self, type_name: str) -> FactKind[W] | None:
        """The row of a CloudEvents type; None for one that is no fact of this service."""
        return self._by_name.get(type_name)

    def command_of(self, command: object) -> CommandKind[Any, W]:
        """The row of a command. Raises KeyError."""
        return self._commands[type(command)]
