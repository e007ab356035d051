"""Whether the services beside the projectors are idle: their readers have read the whole log, their relays have published everything.

They read the same topics as the projectors (the fan-out of subscriptions, the consumers of cases and membership), and would take a quarter of
the CPU of a measured run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

PAUSE = 0.5
PATIENCE = 300.0
"""Seconds without progress after which it is given up."""
CURRENT = {"lag_events": 0, "lag_seconds": 0.0, "outbox": 0}
"""What a service says in /readyz when it has nothing to do: by the broker's ends of its topics, and by its reader of the last seconds."""

Answers = Mapping[str, Mapping[str, Any]]


def backlog_of(answers: Answers) -> dict[str, dict[str, Any]]:
    """{service: what it said} of those that are not idle or do not answer; `answers` = {service: its answer to /readyz}."""
    said = {name: {figure: answer.get(figure) for figure in CURRENT} for name, answer in answers.items()}
    return {name: figures for name, figures in said.items() if figures != CURRENT}


def wait_until_idle(ask: Callable[[], Answers], pause: float = PAUSE, patience: float = PATIENCE) -> float:
    """Ask the services until all are idle. Returns the seconds. Raises TimeoutError if nothing changes for `patience` seconds."""
    began = changed_at = time.monotonic()
    last: dict[str, int | None] = {}
    while found := backlog_of(ask()):
        now, left = time.monotonic(), {name: figures["lag_events"] for name, figures in found.items()}
        if left != last:
            last, changed_at = left, now
        if now - changed_at > patience:
            raise TimeoutError(f"not idle after {now - began:.0f} s: {found}")
        time.sleep(pause)
    return time.monotonic() - began
