"""Every event that the registry ever published can be read and written again: golden samples, which are never edited, only added."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.contracts import decode, encode, registry, streams

SAMPLES = sorted((Path(__file__).parent / "golden" / "registry").glob("*.json"))


@pytest.mark.invariant("I8")
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_golden_event_is_read_and_written_to_the_same_value(path: Path) -> None:
    golden = json.loads(path.read_text("utf-8"))
    event = decode(path.read_bytes())
    assert json.loads(encode(event)) == golden
    assert event.source == registry.SOURCE


def test_every_type_has_a_golden_sample() -> None:
    types = {json.loads(path.read_text("utf-8"))["type"] for path in SAMPLES}
    assert types == set(registry.TYPES) | set(streams.TYPES)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_field_that_is_not_known_yet_is_ignored(path: Path) -> None:
    golden = json.loads(path.read_text("utf-8"))
    later = {**golden, "extension": "x", "data": {**golden["data"], "said_later": 1}}
    assert json.loads(encode(decode(json.dumps(later).encode()))) == golden
