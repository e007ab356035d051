"""Closing a client of Kafka never looks like the cancellation of the one who closes it."""

from __future__ import annotations

import asyncio

import pytest

from shared.broker.kafka_topics import close_client


class Client:
    """A client whose `stop` awaits a task that was cancelled before its first step, or never ends."""

    def __init__(self, *, ends: bool) -> None:
        self.ends = ends

    async def stop(self) -> None:
        if not self.ends:
            await asyncio.Event().wait()
        task = asyncio.create_task(asyncio.sleep(0))
        task.cancel()
        await task


async def test_a_task_cancelled_inside_the_client_is_no_cancellation_of_the_caller() -> None:
    await close_client(Client(ends=True), 5)


async def test_a_client_that_does_not_stop_is_given_up() -> None:
    await close_client(Client(ends=False), 0.01)


async def test_a_caller_that_is_cancelled_ends() -> None:
    closing = asyncio.create_task(close_client(Client(ends=False), 60))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
