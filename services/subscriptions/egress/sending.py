"""One request to an endpoint: resolved once, checked, and sent to the very address that was checked.

The connection goes to the address itself, with the host's name in `Host` and in TLS: no second lookup can answer differently. aiohttp keeps
connections by address, port and TLS name, so one that is used again goes to an address that was checked for this attempt, too.
Nothing is followed, stored or unpacked: no redirect, no cookie, no proxy of the environment, no compression.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.subscriptions.egress.guard import Network
from services.subscriptions.egress.resolving import Resolver, addresses_of
from services.subscriptions.egress.urls import Target, UrlError, parsed, refusal

TOTAL = 10.0
"""Seconds for everything: resolving, connecting, the answer's headers and the beginning of its body."""
CONNECT = 4.0
"""Seconds for one address; if it cannot be connected to, the next one is tried, MOST_ADDRESSES in all."""
MOST_ADDRESSES = 3
BODY = 2.0
"""Seconds for the beginning of the answer's body, once there is a status."""
KEPT_BYTES = 1024
"""Bytes of the answer's body that are read."""
MOST_LINE = 4096
MOST_HEADERS = 64
BUFFER = 4096
IDLE = 4.0
"""Seconds for which an unused connection is kept: servers close theirs after five and more."""
TIMED_OUT = "TIMED_OUT"
TLS_FAILED = "TLS_FAILED"
NOT_CONNECTED = "NOT_CONNECTED"
CONNECTION_LOST = "CONNECTION_LOST"
BAD_ANSWER = "BAD_ANSWER"
"""Errors of an answer, beside the codes of urls.py."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `status` None: no answer, `error` says why. `body`: its first KiB. `seconds`: how long it took."""

    status: int | None
    error: str | None
    body: bytes
    seconds: float
    retry_after: str | None = None


class _NoLookups(AbstractResolver):
    """Requests go to addresses: a name that gets here was not checked."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        raise OSError(f"{host}:{port} was not resolved before ({family.name})")

    async def close(self) -> None:
        pass


class Sender:
    """Sends requests, `most` at once. `trusted`: what verifies the certificates of endpoints; None: the system's authorities."""

    def __init__(self, allowed: Sequence[Network], resolver: Resolver, most: int, trusted: ssl.SSLContext | None = None) -> None:
        self._resolver = resolver
        # Of the addresses themselves, which are looked up for each attempt.
        self._refusal = lru_cache(4096)(lambda target, addresses: refusal(target, addresses, allowed))
        self._tls = trusted or ssl.create_default_context()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._tls,
                limit=most,
                resolver=_NoLookups(),
                use_dns_cache=False,
                keepalive_timeout=IDLE,
                happy_eyeballs_delay=None,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT),
            auto_decompress=False,
            trust_env=False,
            requote_redirect_url=False,
            read_bufsize=BUFFER,
            max_line_size=MOST_LINE,
            max_field_size=MOST_LINE,
            max_headers=MOST_HEADERS,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST a body. Never raises for what an endpoint does; every way ends within TOTAL seconds."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(TOTAL):
                status, error, content, retry_after = await self._send(url, headers, body)
        except TimeoutError:
            status, error, content, retry_after = None, TIMED_OUT, b"", None
        return Answer(status, error, content, time.monotonic() - began, retry_after)

    async def _send(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int | None, str | None, bytes, str | None]:
        try:
            target = _target(url)
        except UrlError as error:
            return None, error.code, b"", None
        addresses = tuple(await addresses_of(target, self._resolver))
        code: str | None = self._refusal(target, addresses)
        if code is not None:
            return None, code, b"", None
        failed = NOT_CONNECTED
        for address in addresses[:MOST_ADDRESSES]:
            try:
                return await self._post(target, address, headers, body)
            except aiohttp.ClientSSLError:
                failed = TLS_FAILED
                break
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                continue
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError):
                failed = CONNECTION_LOST
                break
            except (aiohttp.ClientError, ValueError):
                failed = BAD_ANSWER
                break
        return None, failed, b"", None

    async def _post(
        self, target: Target, address: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int | None, str | None, bytes, str | None]:
        url, host, tls_name = _route(target, address)
        response = await self._session.post(
            url, data=body, headers={**headers, "Host": host}, allow_redirects=False, server_hostname=tls_name
        )
        try:
            content = await _beginning(response)
        finally:
            if response.content.at_eof():
                response.release()
            else:
                response.close()
        return response.status, None, content, response.headers.get("Retry-After")


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first bytes of the body, as far as they come in time: the status counts without them."""
    if response.content.is_eof():  # it came with the headers
        return response.content.read_nowait(KEPT_BYTES)
    content = b""
    try:
        async with asyncio.timeout(BODY):
            while len(content) < KEPT_BYTES and (chunk := await response.content.read(KEPT_BYTES - len(content))):
                content += chunk
    except (TimeoutError, aiohttp.ClientError, OSError):
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise  # the time for the whole attempt is over
    return content


@lru_cache(4096)
def _target(url: str) -> Target:
    return parsed(url)


@lru_cache(4096)
def _route(target: Target, address: str) -> tuple[URL, str, str | None]:
    """Where the request goes, its `Host`, and the name in TLS (None: http, or the address itself)."""
    host = target.url.raw_authority
    return target.url.with_host(address), host, target.host if target.secure and target.address is None else None
