"""What corrections and withdrawals of facts about enterprises must keep true, and what they decide anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from msgspec import structs

from services.registry.enterprises import rules
from services.registry.enterprises.enterprise import enterprise_of
from services.registry.enterprises.sizing import sized
from services.registry.world import World
from shared.contracts.registry import EnterpriseMoved, EnterpriseReclassified, EnterpriseRegistered, HeadcountReported
from shared.problems.errors import Conflict, Unprocessable
from shared.writing.facts import Correct, History, Revision, Standing

Placing = TypeVar("Placing", EnterpriseRegistered, EnterpriseMoved)
SETTLED_ON = "settled_on"
"""The name of a registration's date in its command; all others are called `on`."""


def require_known(world: World, standing: Standing, revision: Revision) -> None:
    """A fact of a withdrawn enterprise is not corrected. Raises UNKNOWN_ENTERPRISE (404)."""
    if isinstance(revision, Correct):
        world.enterprise(UUID(standing.subject.partition("/")[2]), "corrects")


def complete_registration(world: World, standing: Standing, changes: Mapping[str, Any]) -> EnterpriseRegistered:
    """With the district of its park. Raises DUPLICATE_CREDIT_CODE, DUPLICATE_REGISTRATION_NUMBER (409), UNKNOWN_PARK, NOT_A_PARK (422)."""
    data = standing.data
    assert isinstance(data, EnterpriseRegistered)
    rules.require_free_codes(world, data.credit_code, data.registration_number, data.enterprise_id, "data.")
    return _in_park(world, data, changes)


def complete_move(world: World, standing: Standing, changes: Mapping[str, Any]) -> EnterpriseMoved:
    """With the district of its park. Raises UNKNOWN_PARK, NOT_A_PARK (422)."""
    data = standing.data
    assert isinstance(data, EnterpriseMoved)
    return _in_park(world, data, changes)


def complete_headcount(world: World, standing: Standing, _: Mapping[str, Any]) -> HeadcountReported:
    """With its size class."""
    data = standing.data
    assert isinstance(data, HeadcountReported)
    return sized(_others(world, standing), data, standing.order())


def complete_classification(world: World, standing: Standing, _: Mapping[str, Any]) -> EnterpriseReclassified:
    """With its size class. Raises NOTHING_TO_CHANGE (422) if nothing is left of it."""
    data = standing.data
    assert isinstance(data, EnterpriseReclassified)
    if data.industry is None and data.ownership is None and data.revenue_fen is None:
        raise Unprocessable("NOTHING_TO_CHANGE", field="data")
    return sized(_others(world, standing), data, standing.order())


def _in_park(world: World, data: Placing, changes: Mapping[str, Any]) -> Placing:
    if "park" not in changes:
        return data
    return structs.replace(data, district=world.park(data.park, "data.park").parent or "")


def _others(world: World, standing: Standing) -> History:
    """The stream without the fact itself."""
    history = world.history(standing.subject)
    return History(history.subject, history.sequence, {rank: fact for rank, fact in history.facts.items() if rank != standing.rank})


def require_whole(world: World, standing: Standing, revision: Revision) -> None:
    """What every command requires must hold after a correction, too. A registration that is corrected to nothing takes everything with it.

    Raises CLOSED_BEFORE_SETTLING, MOVED_BEFORE_SETTLING (422).
    """
    if not isinstance(revision, Correct):
        return
    history = world.history(standing.subject)
    enterprise = enterprise_of(history)
    if enterprise is None:
        return
    fact = history.facts[standing.rank]
    field = "data" if fact.data is None else f"data.{SETTLED_ON if isinstance(fact.data, EnterpriseRegistered) else 'on'}"
    if enterprise.closed_on is not None:
        rules.require_not_closed_before_settling(enterprise.settled_on, enterprise.closed_on, field)
    for moved, _ in history.holding(EnterpriseMoved):
        rules.require_settled(enterprise, moved.on, field)


def warn(world: World, standing: Standing, _revision: Revision) -> list[str]:
    """What is odd about the fact as it then stands, as of one that is entered."""
    fact = world.history(standing.subject).facts[standing.rank]
    enterprise = world.enterprises.get(UUID(standing.subject.partition("/")[2]))
    if enterprise is None or fact.data is None or isinstance(fact.data, EnterpriseRegistered):
        return []
    return rules.unusual(enterprise, _others(world, fact), fact.data, fact.order())


def require_registration_last(world: World, standing: Standing, revision: Revision) -> None:
    """As `require_whole`; and a registration is withdrawn last, since other facts of the stream have no meaning without it.

    Raises OTHERS_REST_ON_IT (409).
    """
    require_whole(world, standing, revision)
    if isinstance(revision, Correct):
        return
    history = world.history(standing.subject)
    if history.holding(EnterpriseRegistered):
        return
    if history.unreadable or any(fact.data is not None for fact in history.facts.values()):
        raise Conflict("OTHERS_REST_ON_IT", field="from", params={"sequence": revision.first})
