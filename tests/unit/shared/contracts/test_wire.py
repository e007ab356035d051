"""Events of which only the envelope is read: what is taken for certain can be opened, and opens to the same event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared import contracts
from shared.contracts import TYPES, UnreadableEvent
from tests.histories import history, interleaved

EVENTS = [event for seed in range(4) for event in interleaved(history(seed), seed)]
MEMBER = next(event for event in EVENTS if event.type == "parkunion.member-joined.v1")


def test_what_is_written_is_read_and_opened_as_it_was() -> None:
    for event in EVENTS:
        wire = contracts.read(contracts.encode(event))
        assert contracts.opened(wire) == event


def test_members_are_certain_without_being_opened() -> None:
    members = [event for event in EVENTS if event.type == MEMBER.type and "reason" not in json.loads(contracts.encode(event))["data"]]
    assert members
    assert all(contracts.certain(contracts.read(contracts.encode(event))) for event in members)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_what_is_certain_opens(name: str) -> None:
    """Whatever replaces a field of an event that is certain: if it is still certain, it still opens."""
    events = [event for event in EVENTS if event.type == name]
    odd = [
        "",
        "x",
        "\x00",
        '"',
        "\\",
        "中",
        "\ud83d\ude00",
        1,
        None,
        True,
        [],
        {},
        1.5,
        "01A2231E-DB55-7189-9636-4314BE9CCCAF",
        "0" * 36,
        "0" * 32,
    ]
    for event in events[:3]:
        raw: dict[str, Any] = json.loads(contracts.encode(event))
        for field in raw["data"]:
            for value in odd:
                changed = json.dumps({**raw, "data": {**raw["data"], field: value}}, separators=(",", ":")).encode()
                wire = contracts.read(changed)
                if contracts.certain(wire):
                    contracts.opened(wire)
            without = {key: kept for key, kept in raw["data"].items() if key != field}
            wire = contracts.read(json.dumps({**raw, "data": without}, separators=(",", ":")).encode())
            if contracts.certain(wire):
                contracts.opened(wire)


def test_data_that_is_no_json_of_its_type_is_unreadable() -> None:
    raw: dict[str, Any] = json.loads(contracts.encode(MEMBER))
    wire = contracts.read(json.dumps({**raw, "data": {"membership_id": 1}}).encode())
    assert not contracts.certain(wire)
    with pytest.raises(UnreadableEvent):
        contracts.opened(wire)
