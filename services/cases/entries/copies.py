"""Facts of an entry of several enterprises: each stands on the stream of every one of them. Pure.

The entry keeps those of its first enterprise; the others are copies, with a place and an event of their own. What is no longer so is taken
back on every stream, so that no reader joins streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from msgspec import structs

from services.cases.entries import clocking
from services.cases.entries.entry import Entry
from services.cases.entries.world import Copy, World
from services.cases.nouns import noun_of
from shared.problems.errors import Conflict
from shared.service.enterprises import subject_of
from shared.writing.facts import Correct, Fact, Revision, Standing

WITHDRAWN = "never_was"
"""The reason with which the copies of a withdrawn fact are corrected to nothing."""


def on_every_stream(entry: Entry, fact: Fact) -> list[Fact]:
    """A fact of the entry's first enterprise, and its copies for the others."""
    data: Any = fact.data
    others = entry.enterprises[1:]
    return [fact, *(Fact(subject_of(one), structs.replace(data, enterprise_id=one), fact.on) for one in others)]


def taken_back(fact: Standing, copies: Iterable[Copy], reason: str) -> list[Fact]:
    """Corrections to nothing of the copies of a fact, given as it held."""
    assert fact.data is not None
    data: Any = fact.data
    return [
        clocking.correction(
            structs.replace(
                fact,
                subject=subject_of(one.enterprise_id),
                rank=one.rank,
                event_id=one.event_id,
                data=structs.replace(data, enterprise_id=one.enterprise_id),
                content=None,
            ),
            reason,
        )
        for one in copies
    ]


def require_one(world: World, fact: Standing, command: Revision) -> None:
    """A fact of several enterprises is not corrected, and is withdrawn on the stream of the first, from which it goes on all.

    Raises SEVERAL_ENTERPRISES (409).
    """
    entry = world.entries.get(noun_of(fact.data).id_of(fact.data))
    if entry is None:
        return
    copied = fact.subject != entry.subject
    if copied or (isinstance(command, Correct) and len(entry.enterprises) > 1):
        raise Conflict("SEVERAL_ENTERPRISES", field="corrects", params={"subject": entry.subject})


def follow(world: World, fact: Standing, command: Revision) -> list[Fact]:
    """What follows from the withdrawal of a fact of several enterprises: its copies never were, either; nor, with the opening, what the
    service itself said, while the streams of all of them are locked."""
    noun = noun_of(fact.data)
    entry = world.entries.get(noun.id_of(fact.data))
    if isinstance(command, Correct) or entry is None:
        return []
    facts = taken_back(fact, standing(world, entry.id, fact.rank), WITHDRAWN)
    if isinstance(fact.data, noun.opening):
        for one in entry.facts:
            if isinstance(one.data, tuple(noun.says)):
                copied = standing(world, entry.id, one.rank)
                facts += [clocking.correction(one), *taken_back(one, copied, clocking.RECOMPUTED)]
    return facts


def standing(world: World, entry_id: UUID, rank: int) -> Sequence[Copy]:
    """The copies of a fact, as they were loaded."""
    return world.copies.get((entry_id, rank), ())
