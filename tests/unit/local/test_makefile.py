"""The Makefile works from any folder, also where paths have spaces and quotes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[3] / "Makefile"


@pytest.mark.parametrize("name", ["plain", "two  words", "it's"])
def test_commands_are_those_of_its_own_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(MAKEFILE, folder)
    ways: list[tuple[list[str], Path]] = [([], folder), (["-C", str(folder)], tmp_path), (["-f", str(folder / "Makefile")], tmp_path)]
    for options, where in ways:
        done = subprocess.run(["make", "-n", *options, "setup"], cwd=where, capture_output=True, text=True, check=True)
        assert f'"{folder}/deploy/local/setup.sh"' in done.stdout.splitlines()
