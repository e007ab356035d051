"""What documents say can be done: commands are given as they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BARE = re.compile(r"(?<!\.venv/bin/)python3? -m bench|`bench(\.\w+)+ [^`]+`")
"""A module of a bench without the interpreter that has its packages: in the words of a shell, or as a command of its own."""


def texts() -> Iterator[Path]:
    for pattern in (
        "*.md",
        "bench/**/*.py",
        "bench/**/*.md",
        "docs/**/*.md",
        "services/**/*.md",
        "shared/**/*.md",
        "deploy/**/*.md",
        "samples/**/*.md",
    ):
        yield from ROOT.glob(pattern)


def test_commands_of_benches_run_as_they_are_written() -> None:
    bare = [f"{path.relative_to(ROOT)}: {found.group()}" for path in texts() for found in BARE.finditer(path.read_text("utf-8"))]
    assert not bare


@pytest.mark.parametrize("text", ["`python -m bench.sample`", "(`bench.speed one --seed 7`)", "python3 -m bench.latency"])
def test_a_command_without_its_interpreter_is_found(text: str) -> None:
    assert BARE.search(text)
