"""The stop request of a user: SIGINT, SIGTERM or SIGHUP."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class StopSignal:
    """Create it in the main thread's running event loop, whose handlers of these signals it replaces."""

    def __init__(self) -> None:
        self._received = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._received.set)

    async def wait(self) -> None:
        """Wait for a signal."""
        await self._received.wait()

    async def interruptible(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of `work`; None if a signal came first and `work` was cancelled."""
        working, stopping = asyncio.create_task(work), asyncio.create_task(self.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.wait({working})
        return None
