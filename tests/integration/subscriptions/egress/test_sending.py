"""One request to endpoints of every kind: hostile, slow, endless, redirected, renamed. Real sockets on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.subscriptions.egress import sending
from services.subscriptions.egress.guard import Network
from services.subscriptions.egress.resolving import SystemResolver, check_endpoint
from services.subscriptions.egress.sending import KEPT_BYTES, Answer, Sender

LOOPBACK: list[Network] = [ip_network("127.0.0.0/8")]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Names:
    """A resolver whose answers are given, one after the other; the last one stays."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name.replace("_", "."): list(found) for name, found in answers.items()}
        self.asked: list[str] = []

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        found = self._answers.get(host, [[]])
        return found.pop(0) if len(found) > 1 else found[0]


@asynccontextmanager
async def server(
    answer: bytes | Handler, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that reads a request and answers with these bytes, keeping the connection; yields its port and the heads of the requests."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(length)
                heads.append(head)
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await answer(reader, writer, head)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()

    running = await asyncio.start_server(serve, host, 0, ssl=context)
    try:
        yield running.sockets[0].getsockname()[1], heads
    finally:
        running.close()


@asynccontextmanager
async def sender(
    resolver: object = None, allowed: Sequence[Network] = LOOPBACK, trusted: ssl.SSLContext | None = None
) -> AsyncIterator[Sender]:
    made = Sender(allowed, resolver or Names(), 100, trusted)  # type: ignore[arg-type]
    yield made
    await made.close()


async def sent(answer: bytes | Handler) -> Answer:
    """What comes of a request to a server that answers like this."""
    async with server(answer) as (port, _), sender() as made:
        return await made.send(f"http://127.0.0.1:{port}/hook", {}, b"{}")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds instead of ten."""
    monkeypatch.setattr(sending, "TOTAL", 1.0)
    monkeypatch.setattr(sending, "BODY", 0.3)


async def test_the_answer_comes_back_and_the_connection_is_used_again() -> None:
    async with server(OK) as (port, heads), sender() as made:
        for _ in range(3):
            answer = await made.send(f"http://127.0.0.1:{port}/hook?x=1", {"webhook-id": "s.1"}, b"{}")
            assert (answer.status, answer.error, answer.body) == (200, None, b"ok")
    assert len(heads) == 3
    assert heads[0].startswith(b"POST /hook?x=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}".encode() in heads[0]
    assert b"cookie" not in heads[0].lower()


@pytest.mark.usefixtures("short")
async def test_an_endpoint_that_hangs_is_a_timeout() -> None:
    async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _head: bytes) -> None:
        await asyncio.sleep(60)

    answer = await sent(hang)
    assert (answer.status, answer.error) == (None, "TIMED_OUT")
    assert answer.seconds < 5


@pytest.mark.usefixtures("short")
async def test_an_endpoint_that_answers_byte_by_byte_is_a_timeout_and_its_body_is_not_waited_for() -> None:
    async def dribble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _head: bytes) -> None:
        for byte in OK * 10:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.1)

    async def dribbled_body(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _head: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(600):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    answer = await sent(dribble)
    assert (answer.status, answer.error) == (None, "TIMED_OUT")
    answer = await sent(dribbled_body)
    assert (answer.status, answer.error) == (200, None)
    assert set(answer.body) == {ord("x")}
    assert answer.seconds < 5


@pytest.mark.usefixtures("short")
async def test_endless_interim_answers_are_a_timeout() -> None:
    async def interim(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _head: bytes) -> None:
        while True:
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    assert (await sent(interim)).error == "TIMED_OUT"


async def test_of_an_endless_body_one_kibibyte_is_read_and_the_connection_closed() -> None:
    written = 0

    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _head: bytes) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 10000000000\r\n\r\n")
        while True:
            writer.write(b"y" * 65536)
            await writer.drain()
            written += 65536

    answer = await sent(endless)
    assert (answer.status, answer.body) == (500, b"y" * KEPT_BYTES)
    assert written < 50_000_000
    assert answer.seconds < 5


async def test_packed_bodies_are_not_unpacked() -> None:
    answer = await sent(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08")
    assert (answer.status, answer.body) == (200, b"\x1f\x8b\x08")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 10_000 + b"\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
    ids=["long header", "many headers", "no HTTP", "two lengths"],
)
async def test_an_answer_that_is_none_is_a_failure(answer: bytes) -> None:
    found = await sent(answer)
    assert found.status is None
    assert found.error in ("BAD_ANSWER", "CONNECTION_LOST")


async def test_a_connection_that_is_reset_or_refused_is_a_failure() -> None:
    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _head: bytes) -> None:
        writer.transport.abort()

    assert (await sent(reset)).error == "CONNECTION_LOST"
    async with server(OK) as (port, _):
        pass
    async with sender() as made:
        assert (await made.send(f"http://127.0.0.1:{port}/", {}, b"")).error == "NOT_CONNECTED"


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with server(OK) as (inner, reached):
        answer = await sent(f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{inner}/\r\nContent-Length: 0\r\n\r\n".encode())
        assert answer.status == 307
        assert not reached


async def test_a_cookie_is_not_sent_back() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n") as (port, heads), sender() as made:
        for _ in range(2):
            await made.send(f"http://127.0.0.1:{port}/", {}, b"")
    assert b"a=b" not in heads[1]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(b"HTTP/1.1 502 Proxy\r\nContent-Length: 0\r\n\r\n") as (proxy, reached), server(OK) as (port, _):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        async with sender() as made:
            assert (await made.send(f"http://127.0.0.1:{port}/", {}, b"")).status == 200
        assert not reached


async def test_a_name_that_answers_differently_the_second_time_is_looked_up_once_and_refused_then() -> None:
    names = Names(bureau_example=[["127.0.0.1"], ["169.254.169.254"]])
    async with server(OK) as (port, heads), sender(names) as made:
        url = f"http://bureau.example:{port}/hook"
        assert (await made.send(url, {}, b"")).status == 200
        assert names.asked == ["bureau.example"]
        # An open connection to the first address is there: it is not used.
        again = await made.send(url, {}, b"")
        assert (again.status, again.error) == (None, "ADDRESS_NOT_ALLOWED")
    assert len(heads) == 1
    assert f"Host: bureau.example:{port}".encode() in heads[0]


async def test_a_name_with_one_address_that_is_not_permitted_is_refused() -> None:
    names = Names(bureau_example=[["127.0.0.1", "10.0.0.1"]], plain_example=[["127.0.0.1", "8.8.8.8"]])
    async with server(OK) as (port, heads), sender(names) as made:
        assert (await made.send(f"http://bureau.example:{port}/", {}, b"")).error == "ADDRESS_NOT_ALLOWED"
        assert (await made.send(f"http://plain.example:{port}/", {}, b"")).error == "URL_NOT_HTTPS"
        assert (await made.send(f"http://unknown.example:{port}/", {}, b"")).error == "UNRESOLVABLE_HOST"
        assert (await made.send(f"http://2130706433:{port}/", {}, b"")).status == 200
    async with sender(names, allowed=()) as strict:
        for host in ("127.0.0.1", "2130706433", "0x7f.1", "017700000001", "[::1]", "[::ffff:127.0.0.1]"):
            assert (await strict.send(f"https://{host}:{port}/", {}, b"")).error == "ADDRESS_NOT_ALLOWED"
    assert len(heads) == 1


async def test_the_next_address_is_tried_if_the_first_cannot_be_connected_to() -> None:
    async with server(OK, host="127.0.0.2") as (port, _), sender(Names(two_example=[["127.0.0.1", "127.0.0.2"]])) as made:
        assert (await made.send(f"http://two.example:{port}/", {}, b"")).status == 200


async def test_tls_is_to_the_checked_address_under_the_original_name(tmp_path: Path) -> None:
    context, trusted = certificates(tmp_path, "bureau.example")
    seen: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    names = Names(bureau_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    async with server(OK, context) as (port, heads), sender(names, trusted=trusted) as made:
        assert (await made.send(f"https://bureau.example:{port}/", {}, b"")).status == 200
        assert (await made.send(f"https://BUREAU.example.:{port}/", {}, b"")).status == 200
        # The same address and port, and a connection is open: another name needs its own certificate.
        assert (await made.send(f"https://other.example:{port}/", {}, b"")).error == "TLS_FAILED"
        assert (await made.send(f"https://127.0.0.1:{port}/", {}, b"")).error == "TLS_FAILED"
    assert seen[:2] == ["bureau.example", "other.example"]
    assert len(heads) == 2
    async with server(OK, context) as (port, heads), sender(names) as distrustful:
        assert (await distrustful.send(f"https://bureau.example:{port}/", {}, b"")).error == "TLS_FAILED"
    assert not heads


async def test_an_endpoint_is_checked_before_it_is_subscribed() -> None:
    names = Names(good_example=[["8.8.8.8"]], bad_example=[["8.8.8.8", "::1"]], near_example=[["127.0.0.1"]])

    async def code(url: str) -> str | None:
        return await check_endpoint(url, LOOPBACK, names)

    assert await code("https://good.example/") is None
    assert await code("http://near.example/") is None
    assert await code("http://good.example/") == "URL_NOT_HTTPS"
    assert await code("https://bad.example/") == "ADDRESS_NOT_ALLOWED"
    assert await code("https://none.example/") == "UNRESOLVABLE_HOST"
    assert await code("https://user@good.example/") == "URL_WITH_USER_INFO"
    assert await check_endpoint("http://near.example/", (), names) == "URL_NOT_HTTPS"


async def test_the_systems_resolver_finds_this_machine_and_shares_lookups_of_one_moment() -> None:
    resolver = SystemResolver()
    found = await asyncio.gather(*(resolver.addresses("localhost", 80) for _ in range(5)))
    assert all(one == found[0] for one in found)
    assert all(ip_address(one).is_loopback for one in found[0])
    assert await resolver.addresses("no-such-name.invalid", 80) == ()
    resolver.close()


def certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for a name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file = folder / "server.pem"
    file.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, ssl.create_default_context(cadata=pem.decode())
