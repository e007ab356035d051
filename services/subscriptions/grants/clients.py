"""Which clients there are: those of the settings and those that the provider lists; any, where neither is set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Set

import httpx
import structlog

from services.subscriptions.settings import Settings
from shared.problems.errors import Unavailable, Unprocessable
from shared.process.logs import described

NEWEST = 5.0
"""Seconds for which a list is believed."""
APART = 1.0
"""Seconds between two questions, also where an unknown name asks for a newer list."""
TIMEOUT = 5.0
LARGEST = 4 * 1024 * 1024

log = structlog.get_logger()


class Clients:
    """Asked before something is granted to a client. `transport`: for tests."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._known = frozenset(settings.clients)
        self._url = settings.clients_url
        self._transport = transport
        self._listed: frozenset[str] = frozenset()
        self._asked = float("-inf")
        self._lock = asyncio.Lock()

    async def require(self, client: str, field: str) -> None:
        """Raises UNKNOWN_CLIENT (422), and UNAVAILABLE (503) if the provider cannot be asked."""
        if client in self._known or (not self._known and self._url is None):
            return
        if self._url is not None and client in await self._names(self._url, client):
            return
        raise Unprocessable("UNKNOWN_CLIENT", field=field, params={"client": client})

    async def _names(self, url: str, wanted: str) -> Set[str]:
        async with self._lock:
            age = time.monotonic() - self._asked
            if age > NEWEST or (wanted not in self._listed and age > APART):
                self._listed = await self._fetch(url)
                self._asked = time.monotonic()
            return self._listed

    async def _fetch(self, url: str) -> frozenset[str]:
        try:
            # The address is the operator's, and the answer decides who gets data: no proxy of the environment, no other address.
            async with (
                asyncio.timeout(TIMEOUT),
                httpx.AsyncClient(timeout=TIMEOUT, transport=self._transport, trust_env=False) as http,
                http.stream("GET", url, headers={"Accept": "application/json"}) as answer,
            ):
                answer.raise_for_status()
                content = b""
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > LARGEST:
                        raise ValueError("the list is too long")
            return _names_in(httpx.Response(200, content=content).json())
        except (httpx.HTTPError, TimeoutError, ValueError, httpx.InvalidURL) as error:
            log.warning("clients.unknown", error=described(error))
            raise Unavailable("UNAVAILABLE") from None


def _names_in(content: object) -> frozenset[str]:
    """The names in `{"clients": [name, or {"name": name}]}`. Raises ValueError."""
    names: object = content.get("clients") if isinstance(content, dict) else None
    if not isinstance(names, list):
        raise ValueError("the provider lists no clients")
    found = {one.get("name") if isinstance(one, dict) else one for one in names}
    if not all(isinstance(name, str) for name in found):
        raise ValueError("the provider lists a client without a name")
    return frozenset(str(name) for name in found)
