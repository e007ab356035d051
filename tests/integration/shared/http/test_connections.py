"""The web server's limits, by raw sockets: what is refused before it is parsed, and which connections are closed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from shared.process.web.limits import ConnectionLimits
from shared.process.web.server import web_server
from tests.patience import PATIENCE

SHORT = ConnectionLimits(head_seconds=1.0, body_seconds=1.0, body_rate=1024, idle_seconds=2.0, unread_seconds=2.0)
GET = b"GET /path HTTP/1.1\r\nHost: service\r\n"


@dataclass
class Conversation:
    """A connection to the server under test."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *parts: bytes, every: float = 0.0) -> None:
        """Send until done or until the server has closed the connection."""
        with contextlib.suppress(OSError):
            for part in parts:
                self.writer.write(part)
                await self.writer.drain()
                await asyncio.sleep(every)

    async def drip(self, part: bytes, every: float = 0.1) -> bytes:
        """Send the part again and again until the server closes; what it has answered."""
        dripping = asyncio.create_task(self.send(*[part] * 10_000, every=every))
        try:
            return await self.rest()
        finally:
            dripping.cancel()

    async def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        found = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while part := await self.reader.read(65536):
                    found += part
        return found

    async def answer(self) -> tuple[int, bytes]:
        """(status, body) of the next answer, which has a Content-Length."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(int(line[16:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
            return int(head[9:12]), await self.reader.readexactly(length)


@dataclass
class Served:
    """The server under test."""

    port: int
    paths: list[str]
    """Of the requests that reached the application."""
    gone: list[str]
    """Of the requests whose client was gone before its body was read."""

    async def open(self, source: str = "127.0.0.1") -> Conversation:
        return Conversation(*await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0)))


@contextlib.asynccontextmanager
async def serving(limits: ConnectionLimits = SHORT, proxies: tuple[str, ...] = ()) -> AsyncIterator[Served]:
    served = Served(0, [], [])
    stop = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        served.paths.append(scope["path"])
        size, early = 0, scope["path"] == "/early"
        while not early:
            message = await receive()
            if message["type"] == "http.disconnect":
                served.gone.append(scope["path"])
                return
            size += len(message["body"])
            if not message["more_body"]:
                break
        if scope["path"] in ("/stream", "/flood"):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
            part = b": \n\n" if scope["path"] == "/stream" else bytes(2**20)
            while not stop.is_set():
                await send({"type": "http.response.body", "body": part, "more_body": True})
                await asyncio.sleep(0.1)
            await send({"type": "http.response.body", "body": b""})
            return
        if scope["path"] == "/slow":
            await asyncio.sleep(2.5)
        body = f"{scope['path']} {size} {scope['client'][0]}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    served.port = listener.getsockname()[1]
    server = web_server(application, limits, proxies)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield served
    finally:
        stop.set()
        server.should_exit = True
        await running


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as found:
        yield found


@pytest.fixture
async def patient() -> AsyncIterator[Served]:
    """With the times of a service, for tests that are about sizes only."""
    async with serving(ConnectionLimits()) as found:
        yield found


def problem(answer: bytes) -> tuple[int, dict[str, Any]]:
    """(status, problem) of an answer that is a problem in both languages, after which the connection is closed."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert b"content-type: application/problem+json" in lines, answer[:300]
    assert b"connection: close" in lines
    found = json.loads(body)
    assert found["errors"][0]["message_zh"]
    assert found["errors"][0]["message_en"]
    assert found["status"] == int(head[9:12])
    return found["status"], found


def target(line: int) -> bytes:
    """A request whose request line, with its end, has so many bytes."""
    return b"GET /" + b"a" * (line - len("GET / HTTP/1.1\r\n")) + b" HTTP/1.1\r\nHost: service\r\n\r\n"


def headers(total: int, each: int = 1000) -> bytes:
    """A request with so many bytes of headers."""
    fields = b"Host: service\r\n"
    while len(fields) < total:
        size = min(each, total - len(fields))
        fields += b"x: " + b"a" * (size - 5) + b"\r\n"
    return b"GET /path HTTP/1.1\r\n" + fields + b"\r\n"


@pytest.mark.parametrize(
    ("request_of", "size", "code"),
    [(target, 8 * 1024, (414, "URI_TOO_LONG")), (headers, 32 * 1024, (431, "HEADERS_TOO_LARGE"))],
)
async def test_sizes_of_a_head_are_limited_to_the_byte(
    patient: Served, request_of: Callable[[int], bytes], size: int, code: tuple[int, str]
) -> None:
    fits = await patient.open()
    await fits.send(request_of(size))
    assert (await fits.answer())[0] == 200
    await fits.send(request_of(size + 1))
    status, found = problem(await fits.rest())
    assert (status, found["code"]) == code
    assert len(patient.paths) == 1


@pytest.mark.parametrize(
    ("before", "part", "code"),
    [
        (GET + b"X-Long: ", b"a" * 2**20, "HEADERS_TOO_LARGE"),
        (GET, b"a: b\r\n" * 2**17, "HEADERS_TOO_LARGE"),
        (GET, (b"a" * 2**14 + b": b\r\n") * 2**6, "HEADERS_TOO_LARGE"),
        (b"GET /", b"a" * 2**20, "URI_TOO_LONG"),
        (b"GET /path?", b"a=%61&" * 2**17, "URI_TOO_LONG"),
    ],
)
async def test_a_head_without_end_is_refused_after_its_limit(patient: Served, before: bytes, part: bytes, code: str) -> None:
    connection = await patient.open()
    sending = asyncio.create_task(connection.send(before, *[part] * 128))
    began = time.process_time()
    assert problem(await connection.rest())[1]["code"] == code
    await sending
    assert time.process_time() - began < 5, "128 MiB were parsed"
    assert patient.paths == []


async def test_trailers_of_a_chunked_body_are_limited_like_headers(patient: Served) -> None:
    connection = await patient.open()
    chunked = b"POST /path HTTP/1.1\r\nHost: service\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n"
    sending = asyncio.create_task(connection.send(chunked + b"X-Trailer: ", *[b"a" * 2**16] * 100))
    assert problem(await connection.rest())[1]["code"] == "HEADERS_TOO_LARGE"
    await sending
    assert patient.gone == ["/path"]


async def test_a_silent_connection_is_closed(served: Served) -> None:
    assert await (await served.open()).rest() == b""


@pytest.mark.parametrize(
    ("before", "part"),
    [
        (b"GET /", b"a"),
        (GET, b"a: b\r\n"),
        (GET + b"a: ", b"b"),
        (b"", b"\r\n"),
        (b"POST /path HTTP/1.1\r\nHost: service\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"POST /path HTTP/1.1\r\nHost: service\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"POST /path HTTP/1.1\r\nHost: service\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"),
    ],
)
async def test_a_dripping_request_is_told_so_and_closed(served: Served, before: bytes, part: bytes) -> None:
    connection = await served.open()
    await connection.send(before)
    status, found = problem(await connection.drip(part))
    assert (status, found["code"]) == (408, "REQUEST_TIMEOUT")
    assert served.gone == served.paths, "a handler still waits for the body"


async def test_a_body_that_drips_after_its_answer_is_closed(served: Served) -> None:
    connection = await served.open()
    await connection.send(b"POST /early HTTP/1.1\r\nHost: service\r\nContent-Length: 100000\r\n\r\n")
    assert (await connection.drip(b"a")).endswith(b"/early 0 127.0.0.1")


async def test_a_body_of_the_least_rate_is_read(served: Served) -> None:
    connection = await served.open()
    await connection.send(b"POST /path HTTP/1.1\r\nHost: service\r\nContent-Length: 10240\r\n\r\n")
    await connection.send(*[b"a" * 512] * 20, every=0.1)  # five times the least rate, so that a machine that is slow by half keeps it
    assert await connection.answer() == (200, b"/path 10240 127.0.0.1")


async def test_an_idle_connection_is_closed_and_bytes_do_not_keep_it_open(served: Served) -> None:
    for part in (b"", b"\r\n"):
        connection = await served.open()
        await connection.send(GET + b"\r\n")
        assert (await connection.answer())[0] == 200
        rest = await (connection.drip(part) if part else connection.rest())
        assert rest == b"" or problem(rest)[0] == 408


async def test_a_stream_stays_open(served: Served) -> None:
    connection = await served.open()
    await connection.send(b"GET /stream HTTP/1.1\r\nHost: service\r\n\r\n")
    until = time.monotonic() + 5
    while time.monotonic() < until:
        assert await asyncio.wait_for(connection.reader.read(4096), PATIENCE)


async def test_an_answer_that_nobody_reads_is_cut_off(served: Served) -> None:
    connection = await served.open()
    connection.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.reader._transport.pause_reading()  # type: ignore[attr-defined]
    await connection.send(b"GET /flood HTTP/1.1\r\nHost: service\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        while not connection.writer.is_closing():
            await connection.send(b"\r\n", every=0.2)
    other = await served.open()
    await other.send(GET + b"\r\n")
    assert (await other.answer())[0] == 200


async def test_pipelined_requests_are_answered_in_order_and_slow_answers_are_waited_for(served: Served) -> None:
    connection = await served.open()
    await connection.send(b"GET /slow HTTP/1.1\r\nHost: service\r\n\r\n" + GET + b"\r\n" + b"GET /las")
    assert await connection.answer() == (200, b"/slow 0 127.0.0.1")
    assert await connection.answer() == (200, b"/path 0 127.0.0.1")
    await connection.send(b"t HTTP/1.1\r\nHost: service\r\n\r\n")
    assert await connection.answer() == (200, b"/last 0 127.0.0.1")


async def test_what_is_malformed_behind_a_request_does_not_answer_for_it(served: Served) -> None:
    connection = await served.open()
    await connection.send(b"GET /slow HTTP/1.1\r\nHost: service\r\n\r\n" + b"\x00\x01 nonsense\r\n\r\n")
    answer = await connection.rest()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.endswith(b"/slow 0 127.0.0.1")


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /path HTTP/9.9\r\n\r\n",
        b"GET /pa\x00th HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
        GET + b"no colon\r\n\r\n",
        GET + b"Content-Length: -1\r\n\r\n",
        GET + b"Content-Length: 1_0\r\n\r\n",
        GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        GET + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /path HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_malformed_http_is_a_problem_in_both_languages(served: Served, sent: bytes) -> None:
    connection = await served.open()
    await connection.send(sent)
    status, found = problem(await connection.rest())
    assert (status, found["code"], found["title"]) == (400, "MALFORMED_REQUEST", "请求不符合 HTTP")


async def test_the_title_follows_the_language_of_the_headers_read_so_far(served: Served) -> None:
    connection = await served.open()
    await connection.send(GET + b"Accept-Language: en\r\nA: b\r\nno colon\r\n\r\n")
    assert problem(await connection.rest())[1]["title"] == "Malformed request"


async def test_connections_of_one_peer_are_limited_and_others_are_served() -> None:
    async with serving(ConnectionLimits(per_peer=3)) as served:
        held = [await served.open() for _ in range(3)]
        status, found = problem(await (await served.open()).rest())
        assert (status, found["code"]) == (503, "TOO_MANY_CONNECTIONS")
        other = await served.open("127.0.0.2")
        await other.send(GET + b"\r\n")
        assert (await other.answer())[0] == 200
        held.pop().writer.close()
        async with asyncio.timeout(PATIENCE):
            while True:
                connection = await served.open()
                await connection.send(GET + b"\r\n")
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    if (await connection.answer())[0] == 200:
                        break


async def test_forwarded_headers_are_believed_of_trusted_proxies_only() -> None:
    sent = GET + b"X-Forwarded-For: 192.0.2.7\r\n\r\n"
    async with serving() as served:
        connection = await served.open()
        await connection.send(sent)
        assert await connection.answer() == (200, b"/path 0 127.0.0.1")
    async with serving(ConnectionLimits(per_peer=1), ("127.0.0.0/8",)) as served:
        for _ in range(3):
            connection = await served.open()
            await connection.send(sent)
            assert await connection.answer() == (200, b"/path 0 192.0.2.7")
