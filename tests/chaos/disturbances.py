"""Disturbances of a running stack, at random: processes and servers are killed and stopped, days end, events are published twice.

Gaps and unreadable events are not put into the topics of a stack: by design, a relay stops at an event in its topic that its journal does
not know, and so would the whole run. `test_readers.py` has those, with the real PostgreSQL and the real Kafka.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from deploy.local.commands.clock import parse_step
from deploy.local.errors import UserError
from deploy.local.stack import Stack
from deploy.local.supervising.processes import PARTITIONS, TOPICS
from deploy.local.turning import turn

LONGEST_FREEZE = 5.0
"""Seconds for which a process is stopped that is not replaced."""
MOST_MIDNIGHTS = 20
"""Idempotency keys are kept for 30 days."""

Disturbance: TypeAlias = Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class Process:
    """One process of a service in the stack."""

    name: str
    pid: int


@dataclass
class Disturbances:
    """Disturbs `stack` at intervals of `pauses` seconds; `done` lists (seconds from the start, what)."""

    stack: Stack
    chance: random.Random
    pauses: tuple[float, float] = (0.3, 3.0)
    done: list[tuple[float, str]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _midnights: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Disturb until `stop`."""
        choices: list[tuple[int, Disturbance]] = [
            (8, self.kill_a_process),
            (3, self.freeze_a_process),
            (3, self.freeze_a_process_for_ever),
            (1, self.kill_all_processes),
            (1, self.freeze_the_fork_server_for_ever),
            (1, self.kill_postgres),
            (1, self.kill_a_backend),
            (2, self.freeze_a_backend),
            (1, self.freeze_postgres),
            (1, self.kill_kafka),
            (2, self.freeze_kafka),
            (2, self.publish_again),
            (2, self.pass_midnight),
        ]
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.chance.uniform(*self.pauses))
                return
            (disturb,) = self.chance.choices([disturb for _, disturb in choices], [weight for weight, _ in choices])
            at = time.monotonic() - self.began
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                self.done.append((at, await disturb()))

    def processes(self, *names: str) -> list[Process]:
        """The running processes of services: all, or those of these names (`registry.api`)."""
        found = []
        for service, content in self.stack.content["services"].items():
            for role, pids in content["roles"].items():
                found += [Process(f"{service}.{role}", pid) for pid in pids if not names or f"{service}.{role}" in names]
        return [process for process in found if psutil.pid_exists(process.pid)]

    async def kill_a_process(self) -> str:
        process = self._any_process()
        os.kill(process.pid, signal.SIGKILL)
        return f"killed {process.name} {process.pid}"

    async def freeze_a_process(self) -> str:
        process = self._any_process()
        return await self._freeze(f"{process.name} {process.pid}", [process.pid])

    async def freeze_a_process_for_ever(self) -> str:
        process = self._any_process()
        os.kill(process.pid, signal.SIGSTOP)
        return f"froze {process.name} {process.pid} for ever"

    async def kill_all_processes(self) -> str:
        """Kill the fork server and thereby every process of the services."""
        fork_server = self._fork_server()
        fork_server.kill()
        return f"killed the fork server {fork_server.pid} and all its processes"

    async def freeze_the_fork_server_for_ever(self) -> str:
        fork_server = self._fork_server()
        fork_server.suspend()
        return f"froze the fork server {fork_server.pid} for ever"

    async def kill_postgres(self) -> str:
        os.kill(self._pid("postgres"), signal.SIGKILL)
        return "killed PostgreSQL"

    async def kill_a_backend(self) -> str:
        os.kill(self.chance.choice(self._backends()).pid, signal.SIGKILL)
        return "killed a backend"

    async def freeze_a_backend(self) -> str:
        backend = self.chance.choice(self._backends())
        return await self._freeze(f"a backend {backend.pid}", [backend.pid])

    async def freeze_postgres(self) -> str:
        server = self._pid("postgres")
        return await self._freeze("PostgreSQL", [server, *(child.pid for child in psutil.Process(server).children())])

    async def kill_kafka(self) -> str:
        os.kill(self._pid("kafka"), signal.SIGKILL)
        return "killed Kafka"

    async def freeze_kafka(self) -> str:
        return await self._freeze("Kafka", [self._pid("kafka")])

    async def pass_midnight(self) -> str:
        """Advance the clock by a day: sources close the day before under load."""
        if self._midnights == MOST_MIDNIGHTS:
            return "no more midnights"
        self._midnights += 1
        try:
            await turn([self.stack.dsn(service, "owner") for service in self.stack.services], parse_step("1d"))
        except UserError as trouble:
            return f"midnight did not pass: {trouble.line()}"
        return "midnight passed"

    async def publish_again(self) -> str:
        """Publish the last events of a partition again, byte by byte and in order (`1 2 3 2 3`), as a producer that retries."""
        place = TopicPartition(self.chance.choice(TOPICS), self.chance.randrange(PARTITIONS))
        try:
            async with asyncio.timeout(5):
                count = await publish_again(self.stack.content["kafka"]["bootstrap"], place, self.chance.randint(1, 4))
        except (TimeoutError, KafkaError):
            return "nothing was published again: Kafka does not answer"
        return f"published {count} again in {place.topic}/{place.partition}"

    async def _freeze(self, what: str, pids: list[int]) -> str:
        lasts = self.chance.uniform(0.3, LONGEST_FREEZE)
        try:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(lasts)
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        return f"froze {what} for {lasts:.1f} s"

    def _pid(self, server: str) -> int:
        pid = self.stack.content[server]["pid"]
        if pid is None:
            raise ProcessLookupError(server)
        return int(pid)

    def _any_process(self) -> Process:
        if not (found := self.processes()):
            raise ProcessLookupError("none is there at the moment")
        return self.chance.choice(found)

    def _fork_server(self) -> psutil.Process:
        found = psutil.Process(self._any_process().pid).parent()
        if found is None or "nursery" not in _words(found):
            raise ProcessLookupError("fork server")
        return found

    def _backends(self) -> list[psutil.Process]:
        """PostgreSQL's backends of the services' sessions."""
        found = [child for child in psutil.Process(self._pid("postgres")).children() if "parkunion_" in _words(child)]
        if not found:
            raise ProcessLookupError("backend")
        return found

    def lines(self) -> Iterator[str]:
        """One line per disturbance."""
        return (f"  {at:6.1f} s  {what}" for at, what in self.done)


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


async def publish_again(bootstrap: str, place: TopicPartition, most: int) -> int:
    """Publish the last records of a partition again; how many."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="none")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    try:
        await consumer.start()
        await producer.start()
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        first = max(0, end - most)
        consumer.seek(place, first)
        records: list[ConsumerRecord[bytes, bytes]] = []
        while first + len(records) < end:
            records += (await consumer.getmany(place, timeout_ms=1000)).get(place, [])
        for record in records:
            await producer.send_and_wait(place.topic, record.value, record.key, place.partition)
        return len(records)
    finally:
        await producer.stop()
        await consumer.stop()
