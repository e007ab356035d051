"""The size class of a headcount or classification: decided with the fact, and decided again when an earlier day turns out otherwise.

The events carry the class, so every reader has the same. A fact of an earlier day that is entered, corrected or withdrawn may change the
industry, workers or revenue that held on the day of later facts. The class of these is then corrected in the same transaction: in whatever
order the facts of an enterprise are entered, the same classes hold in the end (docs/adr/0018).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TypeAlias, TypeVar
from uuid import UUID

from msgspec import structs

from services.registry.enterprises.enterprise import EFFECTS, begun, enterprise_of
from services.registry.enterprises.size import SIZE_RULE, size_class
from services.registry.world import World
from shared.contracts import type_of
from shared.contracts.codes import SIZE_FOLLOWS
from shared.contracts.registry import EnterpriseReclassified, HeadcountReported
from shared.contracts.streams import FactCorrected
from shared.writing.facts import Fact, History, Revision, Standing

Sized = TypeVar("Sized", HeadcountReported, EnterpriseReclassified)
SIZED = (HeadcountReported, EnterpriseReclassified)
"""The facts that carry a size class."""
Inputs: TypeAlias = tuple[str | None, int | None, int | None]
"""(industry, workers, revenue in fen), as `size_class` takes them."""


def sized(history: History, data: Sized, place: tuple[date, int]) -> Sized:
    """The fact with its size class, decided with the headcount, industry and revenue that held at the place (date, rank)."""
    known = enterprise_of(history, before=place)
    assert known is not None, "only an enterprise that is registered is classified"
    industry, workers, revenue_fen = known.industry, known.workers, known.revenue_fen
    if isinstance(data, HeadcountReported):
        workers = data.workers
    else:
        industry, revenue_fen = data.industry or industry, revenue_fen if data.revenue_fen is None else data.revenue_fen
    return structs.replace(data, **_size(size_class(industry, workers, revenue_fen)))


def after_entry(history: History, fact: Fact) -> list[Fact]:
    """The corrections of later facts that follow from a new fact; `history` is the stream before it."""
    new = Standing(fact.subject, history.sequence + 1, type_of(fact.data), fact.on, fact.data, fact.event_id)
    if not any(isinstance(held.data, SIZED) and held.order() > new.order() for held in history.facts.values()):
        return []
    return _corrections(history, history.with_event(new), fact.event_id)


def follow(world: World, standing: Standing, _revision: Revision) -> list[Fact]:
    """The corrections of other facts that follow from a correction or withdrawal of the fact `standing`, given as it held before."""
    after = world.history(standing.subject)
    before = replace(after, facts={**after.facts, standing.rank: standing})
    now = after.facts[standing.rank]
    return _corrections(before, after, None if now.event_id == standing.event_id else now.event_id)


def _corrections(before: History, after: History, cause_id: UUID | None) -> list[Fact]:
    """A correction of each fact whose inputs differ and whose class is another by them, in order of (date, rank)."""
    inputs = _inputs(before)
    return [
        _corrected(after.facts[rank], size, cause_id)
        for rank, now in _inputs(after).items()
        if inputs.get(rank, now) != now and (size := size_class(*now)) != after.facts[rank].data.size  # type: ignore[union-attr]
    ]


def _inputs(history: History) -> dict[int, Inputs]:
    """{rank of a fact that carries a size class: what decides it}, in order of (date, rank)."""
    enterprise = begun(history)
    found: dict[int, Inputs] = {}
    if enterprise is None:
        return found
    for fact in sorted(history.facts.values(), key=Standing.order):
        if effect := EFFECTS.get(type(fact.data)):
            effect(enterprise, fact.on, fact.data)
        if isinstance(fact.data, SIZED):
            found[fact.rank] = (enterprise.industry, enterprise.workers, enterprise.revenue_fen)
    return found


def _corrected(standing: Standing, size: str | None, cause_id: UUID | None) -> Fact:
    """The correction that gives the fact this size class."""
    assert isinstance(standing.data, SIZED)
    assert standing.event_id is not None
    data = structs.replace(standing.data, **_size(size))
    correction = FactCorrected(
        corrects=standing.event_id,
        fact=standing.type,
        rank=standing.rank,
        reason=SIZE_FOLLOWS,
        withdrawn=standing.placed(),
        replacement=structs.replace(standing, data=data, content=None).placed(),
    )
    return Fact(standing.subject, correction, standing.on, cause_id)


def _size(size: str | None) -> dict[str, str | None]:
    """The fields of a fact that say a size class."""
    return {"size": size, "size_rule": SIZE_RULE if size else None}
