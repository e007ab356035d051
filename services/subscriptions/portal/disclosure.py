"""What a page may tell about a number: only what would be delivered at this moment. Pure.

A list of numbers with types and subjects would otherwise tell of events that are no longer granted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.subscriptions.matching.entitlement import Terms
from services.subscriptions.matching.outgoing import OWN_TYPES
from services.subscriptions.portal.store import DeliveryRow


@dataclass(frozen=True, slots=True)
class Told:
    """A number on a page. `named`: whether its type, subject and dates may be told."""

    row: DeliveryRow
    named: bool


def told(rows: Iterable[DeliveryRow], terms: Terms | None, now: datetime) -> list[Told]:
    """Numbers for a bureau's page. `terms` None: nothing of them is granted."""
    return [Told(row, _granted(row, terms, now)) for row in rows]


def told_to_federation(rows: Iterable[DeliveryRow]) -> list[Told]:
    """Numbers for the federation, which grants them: everything but what was erased."""
    return [Told(row, row.gone != "erasure") for row in rows]


def _granted(row: DeliveryRow, terms: Terms | None, now: datetime) -> bool:
    if row.state == "withheld" or row.gone == "erasure" or terms is None or not terms.hold(now):
        return False
    return row.fact_type in OWN_TYPES or terms.shows(row.fact_type, row.places)
