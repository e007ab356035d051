"""Every type of event says what a bureau gets of it, or that no bureau can be granted it."""

from __future__ import annotations

import pytest

from services.subscriptions.matching.catalogue import defaults, fields_of
from shared.contracts import TYPES

PERSONAL = frozenset(("membership_id", "transfer_id", "note_id", "name", "credit_code", "registration_number"))
"""Fields that no default shows: what stands for a person, texts, and what names an enterprise."""


@pytest.mark.invariant("I6")
@pytest.mark.parametrize("name", TYPES)
def test_every_type_states_its_fields_for_bureaus(name: str) -> None:
    struct = TYPES[name]
    assert hasattr(struct, "bureau_fields"), f"{name} does not say what a bureau gets of it (Event.bureau_fields)"
    assert "bureau_fields" in vars(struct), f"{name} inherits what a bureau gets of it"
    if struct.bureau_fields is None:
        assert name not in defaults()
    else:
        assert set(struct.bureau_fields) <= set(fields_of(name))
        assert not PERSONAL & set(struct.bureau_fields)


NOT_FOR_BUREAUS = (
    *("case-assigned", "hardship-classified", "aid-paid", "hardship-ended", "employment-helped", "employment-help-ended"),
    *("rule-set", "calendar-set"),
)
"""Types that no bureau is granted: who handles a case, what is known of households, and the platform's own tables."""


def test_what_says_something_of_other_events_needs_no_grant_of_its_own() -> None:
    assert {name for name in TYPES if name not in defaults()} == {
        "parkunion.fact-corrected.v1",
        "parkunion.event-withdrawn.v1",
        "parkunion.day-closed.v1",
        *(f"parkunion.{name}.v1" for name in NOT_FOR_BUREAUS),
    }
    with pytest.raises(KeyError):
        fields_of("parkunion.day-closed.v1")
