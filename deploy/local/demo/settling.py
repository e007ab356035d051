"""When the figures of a demo are final: nothing is on its way, and two answers are equal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

from deploy.local.errors import UserError
from deploy.local.stack import Stack

SETTLE_PAUSE = 0.25
SETTLE_TIMEOUT = 300.0
"""Seconds without progress after which the demo fails."""


async def settled(stack: Stack, coverage: Callable[..., Awaitable[dict[str, Any]]], closed: date | None) -> dict[str, Any]:
    """The coverage once no service has a backlog and two answers are equal. Raises UserError after SETTLE_TIMEOUT without progress.

    `coverage(**days)` asks for it. `closed`: wait also until this day is closed, the last one on which the sample became known; the coverage
    is the final one, as known then.
    """
    before: dict[str, Any] = {}
    last_backlog: list[Any] = []
    deadline = time.monotonic() + SETTLE_TIMEOUT
    while True:
        answers = [await asyncio.to_thread(stack.readiness, name) for name in stack.services]
        backlog = [(answer.get("outbox"), answer.get("lag_events")) for answer in answers]
        if backlog != last_backlog:
            last_backlog, deadline = backlog, time.monotonic() + SETTLE_TIMEOUT
        answer = await coverage() if all(figures == (0, 0) for figures in backlog) else {}
        if answer and answer == before and (closed is None or (answer["closed_day"] or "") >= closed.isoformat()):
            return answer if closed is None else await coverage(known_at=answer["closed_day"])
        if time.monotonic() > deadline:
            raise UserError(
                f"数字在 {SETTLE_TIMEOUT:.0f} 秒内没有稳定;日志在 {stack.folder.logs}",
                f"the figures did not settle in {SETTLE_TIMEOUT:.0f} s; the logs are in {stack.folder.logs}",
            )
        before = answer
        await asyncio.sleep(SETTLE_PAUSE)
