"""The help of the commands, in a terminal of 80 columns: no word is left out, and no choice is cut in two."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from deploy.local.folder import ROOT


@pytest.mark.parametrize("words", [[], ["demo"], ["import"], ["coverage"], ["faults"]], ids=" ".join)
def test_no_word_of_the_help_is_left_out(words: list[str]) -> None:
    program = [sys.executable, "-m", "deploy.local", *words, "--help"]
    shown = subprocess.run(program, cwd=ROOT, env={**os.environ, "COLUMNS": "80"}, check=True, capture_output=True, text=True).stdout
    assert "--help" in shown
    assert not re.search(r"…\s*│?$", shown, re.MULTILINE)
    if words == ["coverage"]:
        assert re.search(r"district \| park \| industry .*\n.*\| size \| ownership ", shown)
