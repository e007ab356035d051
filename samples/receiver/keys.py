"""The public keys of the service, kept fresh."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from samples.receiver.signatures import public_keys

FRESH = 300.0
"""Seconds for which a key set is good: the service keeps a key in it for 24 hours after its last signature."""
PAUSE = 5.0
"""Seconds between two requests at least, however many requests come with signatures by unknown keys."""

log = logging.getLogger("receiver")


class Keys:
    """The key set at `url`; None: there is none, only secrets are used. If it cannot be fetched the last one stays."""

    def __init__(self, http: httpx.AsyncClient, url: str | None) -> None:
        self._http = http
        self._url = url
        self._asked = float("-inf")
        self._fetched = float("-inf")
        self._lock = asyncio.Lock()
        self.jwks: Mapping[str, Any] = {"keys": []}
        self.public: Sequence[Ed25519PublicKey] = ()

    async def fresh(self) -> Sequence[Ed25519PublicKey]:
        """The keys, at most FRESH seconds old if the service can be reached."""
        if time.monotonic() - self._fetched > FRESH:
            await self.again()
        return self.public

    async def again(self) -> bool:
        """Ask once more, as after a signature that no known key made; returns whether the keys are others than before."""
        if self._url is None:
            return False
        before = self.jwks
        async with self._lock:
            if self.jwks is not before:
                return True  # somebody else has just fetched them
            if time.monotonic() - self._asked < PAUSE:
                return False
            self._asked = time.monotonic()
            try:
                answer = await self._http.get(self._url)
                answer.raise_for_status()
                jwks = answer.json()
                self.public = public_keys(jwks)
            except (httpx.HTTPError, ValueError, KeyError) as error:
                log.warning("the key set cannot be fetched: %r", error)
                return False
            self._fetched = time.monotonic()
            changed = bool(jwks != before)
            self.jwks = jwks if changed else before
            return changed
