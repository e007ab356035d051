"""The command line of a bench, and how it ends: every bench takes its options through `begin`, and its stack from `bench.stacks`."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from types import FrameType


def options(module: str, description: str | None) -> argparse.ArgumentParser:
    """An empty parser for `.venv/bin/python -m <module>`; `description` is shown as it is written."""
    return argparse.ArgumentParser(
        prog=f".venv/bin/python -m {module}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def positive(text: str) -> int:
    """The type of an option that counts something: a whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"须为正整数 / must be a whole number of at least 1: {text!r}")
    return number


def begin(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options given, before anything is started. From now on SIGTERM ends the bench as SIGINT does, so that it takes down what it started."""
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _as_interrupted)
    return given


def _as_interrupted(number: int, frame: FrameType | None) -> None:
    """A second SIGTERM must not end the taking down. SIGINT is ignored by a shell's background job, which SIGTERM ends all the same."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)
