"""A folder that the local stack of a kept release has filled is started by this one, and goes on where it was."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.platform import Platform, parkunion, until
from tests.migrations.keep import QUESTIONS, tell
from tests.migrations.kept import environment_of, program_of, unpack

pytestmark = [pytest.mark.slow, pytest.mark.endurance, pytest.mark.invariant("I8")]

Old = Callable[..., str]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The folder; whoever runs in it is stopped afterwards."""
    yield tmp_path / "stack"
    parkunion("down", "--data", tmp_path / "stack", check=False)


@pytest.fixture
def old(kept: Path, tmp_path: Path, data: Path) -> Old:
    """The old release's `parkunion` on that folder; its output."""
    code = unpack(kept, tmp_path / "old")

    def run(*words: str) -> str:
        program = program_of(code, "deploy.local", "--data", str(data), *words)
        done = subprocess.run(program, env=environment_of(code), capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_folder_of_the_old_release_goes_on_where_it_was(old: Old, data: Path) -> None:
    old("up", "--detach")
    platform = Platform(data, old("token").strip())
    tell(platform)
    rows = figures(platform)
    assert any(row["members"] for answer in rows for row in answer)
    old("down")

    platform = Platform.start(data)
    assert figures(platform) == rows, "the old figures are served until the new ones are there"
    until(lambda: serving(data) == {"id": 2, "fold_version": 2}, "the figures are folded anew", 120)
    until(platform.settled, "everything is projected")
    assert figures(platform) == rows
    assert platform.ask("metrics", "/v1/durations").status_code == 200
    firm = {"name": "升级后的厂", "park": "K1-P001", "settled_on": "2024-05-05"}
    platform.say("registry", "/v1/enterprises", firm).raise_for_status()
    until(platform.settled, "what is said afterwards is projected")
    until(lambda: platform.ask("metrics", "/readyz").json()["closed_day"] is not None, "days are closed", 400)
    assert parkunion("audit", "--data", data).returncode == 0
    assert parkunion("reconcile", "--data", data).returncode == 0
    assert all(service["held"] == 0 for service in platform.status()["services"].values())


def figures(platform: Platform) -> list[Any]:
    return [platform.ask("metrics", "/v1/coverage", **question).raise_for_status().json()["rows"] for question in QUESTIONS]


def serving(data: Path) -> dict[str, int]:
    (found,) = [row for row in json.loads(parkunion("generations", "--json", "--data", data).stdout) if row["status"] == "serving"]
    return {"id": found["id"], "fold_version": found["fold_version"]}
