"""Checks from time to time whether everything has come: gaps in the numbers lead to a replay, the manifests of days are verified."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec

from samples.receiver.keys import Keys
from samples.receiver.service import NoToken, Service, ServiceRefused
from samples.receiver.store import Store
from shared.manifests.verifying import verify

MOST_DAYS = 40
"""Days whose manifests are asked for in one check: more than the service keeps contents."""
REPLAY_PAUSE = 60.0
"""Seconds until the same gap is asked for again; twice as long each time."""

log = logging.getLogger("receiver")


class Checker:
    """Checks of the subscriptions of which something came. `now`: this machine's clock; `zone`: in which the service counts days."""

    def __init__(self, store: Store, keys: Keys, service: Service, now: Callable[[], datetime], zone: ZoneInfo) -> None:
        self._store = store
        self._keys = keys
        self._service = service
        self._now = now
        self._zone = zone
        self._asked: dict[tuple[str, int], tuple[int, float]] = {}
        self._lock = asyncio.Lock()
        self.results: dict[str, dict[str, Any]] = {}

    async def run(self, every: float) -> None:
        """Check again and again, `every` seconds apart."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.check()
            except Exception:
                log.exception("the check failed; it is made again")

    async def check(self) -> dict[str, dict[str, Any]]:
        """Check each subscription once; returns {subscription: what was found}."""
        async with self._lock:
            for subscription in await asyncio.to_thread(self._store.subscriptions):
                try:
                    self.results[subscription] = {"at": self._now().isoformat(), **await self._check(subscription)}
                except (ServiceRefused, NoToken, httpx.HTTPError) as error:
                    log.warning("%s cannot be checked: %s", subscription, error or repr(error))
                    self.results[subscription] = {"at": self._now().isoformat(), "error": str(error) or repr(error)}
        return self.results

    async def _check(self, subscription: str) -> dict[str, Any]:
        state = await self._service.subscription(subscription)
        upto = max(int(state["delivered_to"]), await asyncio.to_thread(self._store.watermark, subscription))
        gaps = await asyncio.to_thread(self._store.gaps, subscription, upto)
        found: dict[str, Any] = {name: state[name] for name in ("status", "assigned_to", "delivered_to", "parked")}
        found["gaps"] = gaps
        if gaps:
            found["replay"] = await self._replay(subscription, gaps[0][0])
        try:
            found["manifests"] = await self._manifests(subscription)
        except ServiceRefused as error:
            log.warning("%s: no manifest: %s", subscription, error)
            found["error"] = str(error)
        return found

    async def _replay(self, subscription: str, first: int) -> str:
        """Ask for everything from the first gap on; what is stored already is not stored twice."""
        times, due = self._asked.get((subscription, first), (0, float("-inf")))
        if time.monotonic() < due:
            return "asked"
        # Whatever comes of it, the same gap is not asked for again at once: it may be out of the time for which contents are kept.
        self._asked[subscription, first] = times + 1, time.monotonic() + REPLAY_PAUSE * 2 ** min(times, 10)
        try:
            await self._service.replay(subscription, first)
        except ServiceRefused as error:
            log.warning("%s: no replay from %d on: %s", subscription, first, error)
            return str(error)
        log.info("%s: replay from %d on", subscription, first)
        return "asked"

    async def _manifests(self, subscription: str) -> dict[str, int]:
        """Verify the manifest of today and of the days before, back to one that was right and can change no more; {day: findings}."""
        final = {one["day"] for one in self._store.manifests(subscription) if one["complete"] and one["findings"] == "[]"}
        day: str | None = self._now().astimezone(self._zone).date().isoformat()
        found: dict[str, int] = {}
        while day is not None and day not in final and len(found) < MOST_DAYS:
            answer = await self._service.manifest(subscription, day)
            found[day] = await self._verified(subscription, day, answer)
            before = answer.get("previous")
            day = str(before["day"]) if before else None
        return found

    async def _verified(self, subscription: str, day: str, answer: dict[str, Any]) -> int:
        await self._keys.fresh()
        jwks = self._keys.jwks

        def compare() -> list[dict[str, Any]]:
            received = (msgspec.json.decode(body) for body in self._store.bodies(subscription))
            return [one.body() for one in verify(answer, received, jwks)]

        findings = await asyncio.to_thread(compare)
        if any(one["code"] == "key" for one in findings) and await self._keys.again():
            jwks = self._keys.jwks
            findings = await asyncio.to_thread(compare)
        for one in findings[:10]:
            log.warning("%s, manifest of %s: %s", subscription, day, one["en"])
        written = json.dumps(findings, ensure_ascii=False)
        checked_at = self._now().isoformat()
        self._store.put_manifest(subscription, day, checked_at, bool(answer.get("complete")), int(answer.get("count") or 0), written)
        return len(findings)
