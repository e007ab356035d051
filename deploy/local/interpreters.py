"""Print the path of the Python that is to run parkunion: the first `python3` of the PATH, or another one of the PATH that is clearly faster.

A Python that was compiled without profile-guided optimisation (pyenv's default, and that of `./configure && make`) needs 1.3 to 1.5 times as long for the same
code as the one of a distribution. `sysconfig` does not tell them apart, because distributions optimise in their own way, so they are timed.
Run by `setup.sh` before there is an environment; imports only the standard library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

FASTER = 0.85
"""Another Python is taken if it needs at most this share of the time of the first."""
ROUNDS = 2
LONGEST = 60.0
"""Seconds that a Python may take to answer."""
BASE = "import sys; print(getattr(sys, '_base_executable', sys.executable))"
"""Prints the interpreter itself, also where it is asked through a virtual environment or a script such as those of pyenv."""
PROBE = """
import json, sys, sysconfig, time
from importlib.util import find_spec

class Item:
    __slots__ = ("number", "weight")
    def __init__(self, number, weight):
        self.number, self.weight = number, weight
    def worth(self, before):
        return before + self.number * self.weight & 0xFFFF

def work():
    total, kept = 0, {}
    for number in range(100_000):
        item = Item(number & 255, 3)
        total = item.worth(total)
        kept[item.number] = total if number & 1 else kept.get(total & 255, 1)
    return total

def timed():
    began = time.perf_counter()
    work()
    return time.perf_counter() - began

able = sys.version_info >= (3, 11) and sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
able = able and find_spec("venv") is not None and (find_spec("ensurepip") or find_spec("pip")) is not None
print(json.dumps({"able": able, "seconds": min(timed() for _ in range(7)) if able else None}))
"""
"""Says whether this Python can make the environment, and the least seconds of some runs of a program that keeps the interpreter busy, and hardly the memory."""


@dataclass(frozen=True)
class Timed:
    """A Python and the seconds that it needs for the program of `PROBE`."""

    path: str
    seconds: float


def ask(python: str, program: str) -> str | None:
    """What a program prints; None if this Python does not run it."""
    try:
        answer = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=LONGEST)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return answer.stdout.strip()


def on_path(path: str) -> list[str]:
    """Every `python3` of a PATH, in its order."""
    found = (os.path.join(folder, "python3") for folder in path.split(os.pathsep) if folder)
    return [python for python in found if os.access(python, os.X_OK)]


def different(pythons: Iterable[str]) -> list[str]:
    """The interpreters behind these paths, each once, in their order."""
    found: dict[Path, str] = {}
    for python in pythons:
        if base := ask(python, BASE):
            found.setdefault(Path(base).resolve(), base)
    return list(found.values())


def seconds_of(answer: str) -> float | None:
    """The seconds that `PROBE` has printed; None of a Python that is not able, and of a program that only calls itself `python3`."""
    try:
        said = json.loads(answer)
    except ValueError:
        return None
    seconds = said.get("seconds") if isinstance(said, dict) else None
    return float(seconds) if isinstance(seconds, int | float) else None


def timed(pythons: Sequence[str]) -> list[Timed]:
    """Those that can make the environment, with their least time. They run in turn, so that a busy moment of the machine does not hit one alone."""
    least: dict[str, float] = {}
    for _ in range(ROUNDS):
        for python in pythons:
            if (seconds := seconds_of(ask(python, PROBE) or "")) is not None:
                least[python] = min(seconds, least.get(python, seconds))
    return [Timed(python, least[python]) for python in pythons if python in least]


def chosen(candidates: Sequence[Timed]) -> Timed:
    """The first, or the fastest if that one is clearly faster."""
    first, fastest = candidates[0], min(candidates, key=lambda candidate: candidate.seconds)
    return fastest if fastest.seconds <= FASTER * first.seconds else first


def main() -> None:
    """Print the path; where another than the first is taken, say so on stderr in both languages. The argument is the first, else it is this one."""
    pythons = different([*(sys.argv[1:] or [sys.executable]), *on_path(os.environ.get("PATH", ""))])
    candidates = timed(pythons) if len(pythons) > 1 else []
    if not candidates:
        print(sys.executable)
        return
    best = chosen(candidates)
    if best != candidates[0]:
        times = f"{candidates[0].seconds / best.seconds:.1f}"
        print(
            f"使用 {best.path}:速度是 {candidates[0].path} 的 {times} 倍(可用 PYTHON=… 另行指定) / "
            f"using {best.path}, {times} times as fast as {candidates[0].path} (PYTHON=… names another)",
            file=sys.stderr,
            flush=True,
        )
    print(best.path)


if __name__ == "__main__":
    main()
