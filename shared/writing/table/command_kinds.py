"""A kind of command: its route, its line in a batch, its body, and what decides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import date
from typing import Annotated, Any, Generic, TypeVar, get_type_hints

import pydantic
from pydantic import BaseModel, create_model

from shared.contracts.codes import CodeList
from shared.http.forms import Command as Body
from shared.http.forms import Id, Note, Text, lists_of
from shared.journal.reasons import Reason, reason_of
from shared.writing.facts import Decision, World
from shared.writing.table.needs import Access

C = TypeVar("C")
W = TypeVar("W", bound=World)

EXAMPLE_ID = "01938c5e-7f00-7000-8000-0000000000e1"
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
