"""The peers run in an environment of the product's own Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.peers import environment


def test_the_environment_of_the_peers_is_made_once_for_a_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(environment, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(subprocess, "run", lambda command, check: made.append(command[1]))
    for _ in range(2):
        environment.provide()
    assert made == ["venv", "pip"]
    other = tmp_path / "python3"
    other.touch()
    monkeypatch.setattr(sys, "executable", str(other))
    environment.provide()
    assert made == ["venv", "pip"] * 2
