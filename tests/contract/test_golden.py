"""Every event that a service ever published can be read and written again: golden samples, which are never edited, only added."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from shared.contracts import cases, decode, encode, membership, registry, streams

GOLDEN = Path(__file__).parent / "golden"
CONTRACTS: dict[str, ModuleType] = {"cases": cases, "membership": membership, "registry": registry}
"""{folder of samples: contracts of the service}"""
SAMPLES = sorted(GOLDEN.glob("*/*.json"))


def named(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def test_every_folder_of_samples_belongs_to_a_service() -> None:
    assert {path.parent.name for path in SAMPLES} == set(CONTRACTS)


@pytest.mark.invariant("I8")
@pytest.mark.parametrize("path", SAMPLES, ids=named)
def test_a_golden_event_is_read_and_written_to_the_same_value(path: Path) -> None:
    golden = json.loads(path.read_text("utf-8"))
    event = decode(path.read_bytes())
    assert json.loads(encode(event)) == golden
    assert event.source == CONTRACTS[path.parent.name].SOURCE


@pytest.mark.parametrize(("folder", "contracts"), CONTRACTS.items(), ids=CONTRACTS)
def test_every_type_has_a_golden_sample(folder: str, contracts: ModuleType) -> None:
    types = {json.loads(path.read_text("utf-8"))["type"] for path in (GOLDEN / folder).glob("*.json")}
    assert types == set(contracts.TYPES) | set(streams.TYPES)


@pytest.mark.parametrize("path", SAMPLES, ids=named)
def test_a_field_that_is_not_known_yet_is_ignored(path: Path) -> None:
    golden = json.loads(path.read_text("utf-8"))
    later = {**golden, "extension": "x", "data": {**golden["data"], "said_later": 1}}
    assert json.loads(encode(decode(json.dumps(later).encode()))) == golden
