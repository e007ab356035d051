"""A kind of fact: its effect on the world, and what holds of its corrections."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from shared.contracts import Event
from shared.problems.errors import Notice
from shared.writing.facts import Fact, Revision, Standing, World
from shared.writing.fields import Reader

W = TypeVar("W", bound=World)


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
