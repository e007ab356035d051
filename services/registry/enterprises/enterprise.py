"""An enterprise as its stream has it: the facts that hold, applied in the order (date, rank)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from shared.contracts import Event
from shared.contracts.registry import (
    EnterpriseClosed,
    EnterpriseMoved,
    EnterpriseReclassified,
    EnterpriseRegistered,
    HeadcountReported,
)
from shared.writing.facts import History, Standing


@dataclass(slots=True)
class Enterprise:
    """It operates `settled_on` ≤ t < `closed_on`. Only `enterprise_of` changes one, while it makes it."""

    id: UUID
    name: str
    credit_code: str | None
    park: str
    district: str
    industry: str | None
    ownership: str | None
    settled_on: date
    closed_on: date | None = None
    closed_reason: str | None = None
    workers: int | None = None
    workers_on: date | None = None
    revenue_fen: int | None = None
    size: str | None = None
    size_rule: str | None = None
    registration_number: str | None = None

    def unique(self) -> tuple[str | None, str | None, str, str]:
        """What is compared with other enterprises: credit code, registration number, name and park."""
        return self.credit_code, self.registration_number, self.name, self.park

    def codes(self) -> list[str]:
        """The codes that no other enterprise may have: 18 characters, 15 digits."""
        return [code for code in (self.credit_code, self.registration_number) if code]


def _registered(enterprise: Enterprise, _: date, data: EnterpriseRegistered) -> None:
    enterprise.park, enterprise.district = data.park, data.district
    enterprise.industry, enterprise.ownership = data.industry or enterprise.industry, data.ownership or enterprise.ownership


def _moved(enterprise: Enterprise, _: date, data: EnterpriseMoved) -> None:
    enterprise.park, enterprise.district = data.park, data.district


def _reported(enterprise: Enterprise, on: date, data: HeadcountReported) -> None:
    enterprise.workers, enterprise.workers_on, enterprise.size, enterprise.size_rule = data.workers, on, data.size, data.size_rule


def _reclassified(enterprise: Enterprise, _: date, data: EnterpriseReclassified) -> None:
    enterprise.industry, enterprise.ownership = data.industry or enterprise.industry, data.ownership or enterprise.ownership
    if data.revenue_fen is not None:
        enterprise.revenue_fen = data.revenue_fen
    enterprise.size, enterprise.size_rule = data.size, data.size_rule


def _closed(enterprise: Enterprise, on: date, data: EnterpriseClosed) -> None:
    enterprise.closed_on, enterprise.closed_reason = on, data.reason


EFFECTS: Mapping[type[Event | None], Callable[[Enterprise, date, Any], None]] = {
    EnterpriseRegistered: _registered,
    EnterpriseMoved: _moved,
    HeadcountReported: _reported,
    EnterpriseReclassified: _reclassified,
    EnterpriseClosed: _closed,
}
"""What each kind of fact changes; the others change nothing."""


def begun(history: History) -> Enterprise | None:
    """The enterprise before any of its facts took effect: what its registration says; None if no registration holds."""
    registered = history.holding(EnterpriseRegistered)
    if not registered:
        return None
    settled, data = registered[-1]
    return Enterprise(
        data.enterprise_id,
        data.name,
        data.credit_code,
        data.park,
        data.district,
        data.industry,
        data.ownership,
        settled.on,
        registration_number=data.registration_number,
    )


def enterprise_of(history: History, before: tuple[date, int] | None = None) -> Enterprise | None:
    """The enterprise of a stream, by the facts before the place (date, rank) or by all; None if no registration holds.

    Before it settled, an enterprise is what its registration says.
    """
    enterprise = begun(history)
    if enterprise is None:
        return None
    for fact in sorted(history.facts.values(), key=Standing.order):
        if before is not None and fact.order() >= before:
            break
        if effect := EFFECTS.get(type(fact.data)):
            effect(enterprise, fact.on, fact.data)
    return enterprise


def parks_of(history: History) -> list[tuple[date, str]]:
    """(from this day on, park), by the facts that hold, in order."""
    placing: list[tuple[Standing, EnterpriseRegistered | EnterpriseMoved]] = [*history.holding(EnterpriseRegistered)[-1:]]
    placing += history.holding(EnterpriseMoved)
    return [(fact.on, data.park) for fact, data in sorted(placing, key=lambda pair: pair[0].order())]


def enterprise_subject(enterprise_id: UUID) -> str:
    """The stream of an enterprise."""
    return f"enterprise/{enterprise_id}"
