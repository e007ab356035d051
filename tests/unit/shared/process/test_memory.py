"""What a process has freed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

KEPT = """
import sys
from pathlib import Path
from shared.process.memory import give_back_large

def anonymous():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))

if sys.argv[1] == "given back":
    give_back_large()
large = bytearray(30_000_000)
del large
before = anonymous()
blocks = [bytearray(1_000_000) for _ in range(80)]
last = blocks.pop()
del blocks
print(anonymous() - before)
"""

HOLES = """
from pathlib import Path
from shared.process.memory import give_back_free, give_back_large

def anonymous():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))

give_back_large()
before = anonymous()
pieces = [bytearray(16_000) for _ in range(5_000)]
last = pieces.pop()
del pieces
left = anonymous() - before
give_back_free()
print(left, anonymous() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is of glibc")
def test_large_allocations_leave_nothing_behind_below_one_that_lives_longer() -> None:
    """The heap of glibc shrinks at its end alone: the last of 80 blocks keeps the others of them, once a large one was freed before."""
    kept = {
        how: int(subprocess.run([sys.executable, "-c", KEPT, how], check=True, capture_output=True, text=True).stdout)
        for how in ("as it is", "given back")
    }
    assert kept["given back"] < 5_000
    assert kept["as it is"] > 60_000, "glibc gives it back by itself: `give_back_large` is of no more use"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc_trim is of glibc")
def test_what_small_allocations_leave_goes_back_too_though_one_of_them_lives_on() -> None:
    """What arrives in pieces and is joined leaves such holes."""
    answer = subprocess.run([sys.executable, "-c", HOLES], check=True, capture_output=True, text=True).stdout
    left, after = map(int, answer.split())
    assert left > 60_000
    assert after < 10_000
