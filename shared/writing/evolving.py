"""How facts change a world: the only place that does. The effect of each kind is the `put` and `drop` of its row."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, TypeVar

from msgspec.structs import replace

from shared.contracts import fact as typed
from shared.contracts import type_of
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.writing.facts import Fact, History, Standing, World
from shared.writing.table import Table

W = TypeVar("W", bound=World)


def evolve(table: Table[W, Any], world: W, fact: Fact) -> int:
    """Apply one fact to the world; its sequence in its stream.

    A correction changes the fact that it names, which keeps its rank. A withdrawal drops the facts in `Fact.private` (of Standing), since
    the event does not repeat their content.
    """
    subject, data = fact.subject, fact.data
    sequence = world.heads.get(subject, 0) + 1
    world.heads[subject] = sequence
    if isinstance(data, FactCorrected):
        _correct(table, world, fact, data)
    elif isinstance(data, EventWithdrawn):
        _withdraw(table, world, fact, data)
    else:
        standing = Standing(subject, sequence, type_of(data), fact.on, data, fact.event_id, fact.event_id)
        if table.whole_streams:
            world.histories[subject] = (world.histories.get(subject) or History(subject, sequence - 1)).with_event(standing)
        table.kind_of(data).put(world, standing, fact.private)
    return sequence


def new_world(table: Table[W, Any]) -> W:
    """An empty world of the service."""
    world = table.world()
    world.apply = partial(evolve, table)
    return world


def _correct(table: Table[W, Any], world: W, fact: Fact, data: FactCorrected) -> None:
    kind = table.kind_named(data.fact)
    if kind is None:
        raise TypeError(f"{data.fact} is no fact of {table.service}")
    held = Standing(fact.subject, data.rank, data.fact, data.withdrawn.occurred_on, typed(data.fact, data.withdrawn.data), data.corrects)
    history = world.histories.get(fact.subject)
    before = (history.facts.get(data.rank) if history is not None else None) or held
    now = replace(held, data=None, event_id=fact.event_id, corrected=True, also=before.named_by(data.reason))
    if data.replacement is not None:
        now = replace(now, on=data.replacement.occurred_on, data=typed(data.fact, data.replacement.data))
    if history is not None:
        known = data.rank in history.facts
        world.histories[fact.subject] = history.with_event(now if known or table.whole_streams else None)
    if data.replacement is None:
        kind.drop(world, held)
    else:
        kind.put(world, now, None)


def _withdraw(table: Table[W, Any], world: W, fact: Fact, data: EventWithdrawn) -> None:
    history = world.histories.get(fact.subject)
    if history is not None:
        world.histories[fact.subject] = without(history, data.first, data.last)
    dropped: Iterable[Standing] = fact.private or ()
    for standing in reversed(list(dropped)):
        kind = table.kind_named(standing.type)
        if kind is not None:
            kind.drop(world, standing)


def without(history: History, first: int, last: int) -> History:
    """The stream with one more event, after which the facts `first` to `last` never were."""
    facts = {
        rank: replace(standing, data=None, corrected=True) if first <= rank <= last else standing
        for rank, standing in history.facts.items()
    }
    unreadable = frozenset(rank for rank in history.unreadable if not first <= rank <= last)
    return History(history.subject, history.sequence + 1, facts, unreadable)
