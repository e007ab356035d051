"""Endpoints in a process of their own: a small HTTP server, so that what it costs stays small beside what sends to it.

An endpoint is a port. Each notes of every request when its first byte came and which number of which subject it had, and keeps one in SAMPLE whole,
for its signature to be checked later. `Receivers` is the handle of the process that runs the bench.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import uvloop

SAMPLE = 50
"""One request in so many is kept whole."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
END = b"\r\n\r\n"


class Got(NamedTuple):
    """One request. `at`: when its first byte came, seconds since 1970; `time`: that of the event, as it is written."""

    endpoint: int
    at: float
    webhook_id: str
    subject: str
    time: str


class Sample(NamedTuple):
    """One whole request."""

    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class _Notes:
    got: list[Got] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    hanging: frozenset[int] = frozenset()
    held: int = 0


class _Endpoint(asyncio.Protocol):
    """One connection. It reads what a client of HTTP/1.1 sends that states the length of its body."""

    __slots__ = ("_buffer", "_first", "_notes", "_number", "_transport")

    def __init__(self, number: int, notes: _Notes) -> None:
        self._number = number
        self._notes = notes
        self._buffer = b""
        self._first = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self._first = time.time()
        self._buffer += data
        while (end := self._buffer.find(END)) >= 0:
            head = self._buffer[:end]
            length = int(_between(head.lower(), b"\r\ncontent-length: ", b"\r") or 0)
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            self._take(head, body)

    def _take(self, head: bytes, body: bytes) -> None:
        notes = self._notes
        if self._number in notes.hanging:
            notes.held += 1
            return  # no answer, until the sender gives up
        name = _between(head, b"\r\nwebhook-id: ", b"\r").decode()
        notes.got.append(
            Got(self._number, self._first, name, _between(body, b'"subject":"', b'"').decode(), _between(body, b'"time":"', b'"').decode())
        )
        if len(notes.got) % SAMPLE == 1:
            lines = (line.partition(": ") for line in head.decode().split("\r\n")[1:])
            notes.samples.append(Sample({name.lower(): value for name, _, value in lines}, body))
        self._transport.write(ANSWER)  # type: ignore[attr-defined]


def _between(text: bytes, first: bytes, last: bytes) -> bytes:
    """What stands between two marks; empty if the first is missing."""
    begin = text.find(first)
    if begin < 0:
        return b""
    begin += len(first)
    end = text.find(last, begin)
    return text[begin:end] if end >= 0 else text[begin:]


async def _serve(conn: Connection, count: int) -> None:
    loop, notes = asyncio.get_running_loop(), _Notes()
    ports, servers = [], []
    for number in range(count):
        server = await loop.create_server(lambda number=number: _Endpoint(number, notes), "127.0.0.1", 0, backlog=512)  # type: ignore[misc]
        servers.append(server)
        ports.append(server.sockets[0].getsockname()[1])
    ended = asyncio.Event()

    def taken() -> tuple[list[Got], list[Sample]]:
        found = notes.got, notes.samples
        notes.got, notes.samples = [], []
        return found

    def hang(endpoints: Sequence[int] = ()) -> None:
        notes.hanging = frozenset(endpoints)

    answers: dict[str, Callable[..., Any]] = {
        "count": lambda: (len(notes.got), notes.held),
        "hang": hang,
        "take": taken,
        "cpu": time.process_time,
    }

    async def answered(word: str, arguments: Sequence[Any]) -> Any:
        return answers[word](*arguments)

    def listen() -> None:
        """In a thread: the pipe blocks."""
        conn.send((os.getpid(), ports))
        with contextlib.suppress(EOFError, OSError):
            while True:
                word, arguments = conn.recv()
                conn.send(asyncio.run_coroutine_threadsafe(answered(word, arguments), loop).result())
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=listen, daemon=True).start()
    await ended.wait()


def _run(conn: Connection, count: int) -> None:
    uvloop.run(_serve(conn, count))


class Receivers:
    """`count` endpoints in one process. `urls`: theirs, by number."""

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._conn, other = context.Pipe()
        self._process = context.Process(target=_run, args=(other, count), daemon=True)
        self._process.start()
        other.close()
        self.pid, ports = self._conn.recv()
        self.urls = [f"http://127.0.0.1:{port}/hook" for port in ports]

    def _ask(self, word: str, *arguments: Any) -> Any:
        self._conn.send((word, arguments))
        return self._conn.recv()

    def count(self) -> int:
        """Requests answered since the last `take`."""
        return int(self._ask("count")[0])

    def held(self) -> int:
        """Requests that were left without an answer."""
        return int(self._ask("count")[1])

    def hang(self, endpoints: Sequence[int]) -> None:
        """These endpoints do not answer from now on; all others do."""
        self._ask("hang", list(endpoints))

    def take(self) -> tuple[list[Got], list[Sample]]:
        """What came since the last time."""
        found: tuple[list[Got], list[Sample]] = self._ask("take")
        return found

    def cpu(self) -> float:
        """CPU seconds of the process so far."""
        return float(self._ask("cpu"))

    def close(self) -> None:
        """End the process."""
        self._conn.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()

    def __enter__(self) -> Receivers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
