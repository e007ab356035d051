"""Names become addresses: once for each attempt, in threads of our own, and never longer than a few seconds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from services.subscriptions.egress.guard import Network
from services.subscriptions.egress.urls import Target, UrlError, parsed, refusal

PATIENCE = 5.0
"""Seconds."""
THREADS = 32
"""Lookups at once. Names whose servers do not answer hold a thread each; the loop's own lookups have four for all."""


class Resolver(Protocol):
    """Looks up names."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """All addresses of a name in the order of preference; empty: it has none, or nobody answers."""
        ...


class SystemResolver:
    """The system's resolver. Attempts that ask for a name at the same moment share one lookup; no answer is kept."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="resolver")
        self._running: dict[tuple[str, int], asyncio.Task[Sequence[str]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        key = host, port
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._look_up(host, port))
            task.add_done_callback(lambda _: self._running.pop(key, None))
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(task)
        except (OSError, UnicodeError):  # a TimeoutError is an OSError
            return ()

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _getaddrinfo, host, port)
        return tuple(dict.fromkeys(str(address[0]) for *_, address in found))

    def close(self) -> None:
        """Waits for no lookup."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _getaddrinfo(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str | int, ...]]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)  # type: ignore[return-value]


async def addresses_of(target: Target, resolver: Resolver) -> Sequence[str]:
    """The addresses of a target's host; of an address itself."""
    return (str(target.address),) if target.address is not None else await resolver.addresses(target.host, target.port)


async def check_endpoint(url: str, allowed: Sequence[Network], resolver: Resolver) -> str | None:
    """Whether requests may go to a URL as its host resolves now: None, or a problem's code.

    Codes: those of `urls.check_url`, UNRESOLVABLE_HOST, ADDRESS_NOT_ALLOWED, URL_NOT_HTTPS (http, and not all addresses lie in allowed networks).
    """
    try:
        target = parsed(url)
    except UrlError as error:
        return error.code
    if not target.secure and not allowed:
        return "URL_NOT_HTTPS"
    return refusal(target, await addresses_of(target, resolver), allowed)
