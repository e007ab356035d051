"""What a page may tell of a number is what would be delivered now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from services.subscriptions.matching.entitlement import Terms
from services.subscriptions.matching.outgoing import HEARTBEAT
from services.subscriptions.portal.disclosure import told, told_to_federation
from services.subscriptions.portal.store import DeliveryRow

FOUNDED = "parkunion.union-founded.v1"
NOW = datetime(2026, 7, 1, tzinfo=UTC)
ROW = DeliveryRow(
    7, "queued", True, date(2026, 7, 1), NOW, None, 0, None, None, "union/u", UUID(int=1), FOUNDED, FOUNDED, ["P1"], date(2026, 6, 30), NOW,
    None, "/services/membership",
)  # fmt: skip
TERMS = Terms(frozenset({FOUNDED}), frozenset({"P1"}), {FOUNDED: ["union_id"]})


@pytest.mark.parametrize("state", ["queued", "delivered", "parked"])
def test_what_is_granted_is_named(state: str) -> None:
    assert told([replace(ROW, state=state)], TERMS, NOW)[0].named


@pytest.mark.invariant("I6")
@pytest.mark.parametrize("state", ["queued", "delivered", "parked", "withheld"])
@pytest.mark.parametrize(
    "terms",
    [
        None,
        replace(TERMS, revoked=True),
        replace(TERMS, not_after=NOW),
        replace(TERMS, types=frozenset()),
        replace(TERMS, granted=frozenset({"P2"})),
    ],
    ids=["no grant", "revoked", "over", "other types", "other areas"],
)
def test_what_is_not_granted_any_more_has_no_name_whatever_became_of_it(state: str, terms: Terms | None) -> None:
    assert not told([replace(ROW, state=state)], terms, NOW)[0].named


def test_what_was_withheld_or_erased_has_no_name_though_its_type_is_granted() -> None:
    assert not told([replace(ROW, state="withheld")], TERMS, NOW)[0].named
    assert not told([replace(ROW, gone="erasure")], TERMS, NOW)[0].named
    assert not told_to_federation([replace(ROW, gone="erasure")])[0].named
    assert told([replace(ROW, gone="retention")], TERMS, NOW)[0].named


def test_the_services_own_events_need_no_type_in_the_grant() -> None:
    own = replace(ROW, type=HEARTBEAT, fact_type=HEARTBEAT, places=[])
    assert told([own], TERMS, NOW)[0].named
    assert not told([own], replace(TERMS, revoked=True), NOW)[0].named
