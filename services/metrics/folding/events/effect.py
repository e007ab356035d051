"""What one event changes in the tables of a generation. Pure; shared by projector and refold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from services.metrics.counted import is_matter, kind_of, park_of, place_of
from services.metrics.folding.changes import FactChange, RefusedFact
from services.metrics.folding.events.member_events import AREA, reason_of, storable
from services.metrics.folding.events.recorded import RecordedFact, recorded, withdrawn
from services.metrics.tables.store import AreaRow, FactRow
from shared import contracts
from shared.contracts import Envelope, UnreadableEvent, registry
from shared.contracts.membership import UnionFounded
from shared.contracts.registry import AreaRegistered, EnterpriseRegistered
from shared.contracts.streams import DayClosed, EventWithdrawn, FactCorrected, Placed


class Effect(NamedTuple):
    """What one event changes; `fact` is its row of `facts`.

    Of an enterprise or a union: `changes` of its set of facts (none if the event is not counted), `places` = the parks that it names,
    `moved` = whether it may change where the enterprise is, `registration` = its name, `founding` = a union's name. Of an area: `area` = the new version, `ends` = ranks
    of the facts whose versions end.
    """

    fact: FactRow
    changes: tuple[FactChange, ...] = ()
    places: tuple[str, ...] = ()
    moved: bool = False
    registration: EnterpriseRegistered | None = None
    founding: UnionFounded | None = None
    area: AreaRow | None = None
    ends: tuple[int, ...] = ()

    @property
    def unseen(self) -> bool:
        """Whether the event changes no figure of coverage."""
        return all(fact is None or is_matter(fact.kept) for change in self.changes for fact in (change.removed, change.added))


def recorded_fact(row: FactRow) -> RecordedFact:
    """What a withdrawal that names this row needs of it."""
    return RecordedFact(kind_of(row.type), row.occurred_on, row.says)


def effect_of(event: Envelope, shard: int, known: date, *, may_hold_nul: bool = True) -> Effect | None:
    """Read an event of an enterprise, a union or an area that became known on a day. None: it changes nothing by itself.

    The effect of a withdrawal depends on the events applied before it (`effect_of_withdrawal`). `may_hold_nul`: whether any text of the event can
    hold U+0000 (`record.may_hold_nul`). Raises RefusedFact.
    """
    if type(event.data) in (DayClosed, EventWithdrawn):
        return None
    effect = _of_area(event, shard, known) if event.subject.startswith(AREA) else _of_subject(event, shard, known)
    if may_hold_nul:
        _requirestorable(effect)
    return effect


def effect_of_withdrawal(event: Envelope, shard: int, known: date, named: Iterable[tuple[int, RecordedFact]]) -> Effect | None:
    """What a withdrawal changes; `named` = the applied events that it names. None: nothing."""
    found = withdrawn(named, known.toordinal())
    if found is None:
        return None
    fact = _fact_row(shard, event, known, found.says)
    if event.subject.startswith(AREA) and event.source != registry.SOURCE:
        return Effect(fact)
    if event.subject.startswith(AREA) and found.says:
        return Effect(fact, ends=tuple(one["rank"] for one in found.says["withdrawn"]))
    return Effect(fact, found.changes, moved=any(park_of(one.kept) is not None for one in found.facts))


def _requirestorable(effect: Effect) -> None:
    """PostgreSQL stores no text with U+0000: refused here, so that a fold in memory refuses what the projector's tables would."""
    registration, area = effect.registration, effect.area
    texts: list[Any] = [effect.fact.subject, effect.fact.source, *effect.places]
    if registration is not None:
        texts += [registration.name, registration.credit_code]
    if area is not None:
        texts += [area.code, area.name, area.parent]
    if any(text is not None and "\x00" in text for text in texts) or (effect.fact.says and _holds_nul(effect.fact.says)):
        raise RefusedFact("NUL_CHARACTER")


def _holds_nul(says: Any) -> bool:
    if isinstance(says, dict):
        return any(map(_holds_nul, says.values()))
    return isinstance(says, str) and "\x00" in says


def _of_subject(event: Envelope, shard: int, known: date) -> Effect:
    found = recorded(event, known.toordinal())
    fact = _fact_row(shard, event, known, found.says)
    if found.says is None:
        return Effect(fact, found.changes)
    places = [place for one in found.facts if (place := place_of(one.kept)) is not None]
    if not places:
        return Effect(fact, found.changes)
    named, moved = _named(event.data), any(park_of(one.kept) is not None for one in found.facts)
    registration = named if type(named) is EnterpriseRegistered else None
    founding = named if type(named) is UnionFounded else None
    return Effect(fact, found.changes, tuple(filter(None, places)), moved, registration, founding)


def _named(data: contracts.Event) -> contracts.Event | None:
    """The fact that now holds, with the name in it."""
    if type(data) is FactCorrected:
        return None if data.replacement is None else contracts.fact(data.fact, data.replacement.data)
    return data


def _of_area(event: Envelope, shard: int, known: date) -> Effect:
    """A version of a division or park, kept beside the figures and never folded into them; or a fact about it that changes no figure."""
    if event.source != registry.SOURCE:
        return Effect(_fact_row(shard, event, known, recorded(event, known.toordinal()).says))
    fact = _fact_row(shard, event, known, contracts.plain(event.data))
    data, rank, on = event.data, event.sequence, event.occurredon
    ends: tuple[int, ...] = ()
    if isinstance(data, FactCorrected):
        rank, ends = data.rank, (data.rank,)
        if data.replacement is None:
            return Effect(fact, ends=ends)
        on, data = data.replacement.occurred_on, _corrected_area(data.fact, data.replacement)
    if not isinstance(data, AreaRegistered):
        raise RefusedFact("NO_FACT", kind_of(event.type))
    row = AreaRow(shard, data.code, rank, event.id, on, known, None, event.time, data.name, str(data.kind), data.parent, data.level)
    return Effect(fact, area=row, ends=ends)


def _fact_row(shard: int, event: Envelope, known: date, says: dict[str, Any] | None) -> FactRow:
    return FactRow(
        shard, event.subject, event.source, event.sequence, event.id, event.type, event.occurredon, known, event.time, says,
        storable(event.actor), reason_of(event.data),
    )  # fmt: skip


def _corrected_area(fact: str, replacement: Placed) -> contracts.Event:
    try:
        return contracts.fact(fact, replacement.data)
    except UnreadableEvent as error:
        raise RefusedFact("BAD_FACT", str(error)) from error
