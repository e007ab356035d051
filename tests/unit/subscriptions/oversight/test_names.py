"""Every type that can be granted has a name in both languages."""

from __future__ import annotations

from services.subscriptions.matching.catalogue import defaults
from services.subscriptions.oversight.names import NAMES, name_of


def test_every_type_that_can_be_granted_is_named() -> None:
    assert set(NAMES) == set(defaults())
    assert all(name_of(one).zh and name_of(one).en for one in defaults())
