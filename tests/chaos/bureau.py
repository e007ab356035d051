"""A bureau beside the load: a webhook and a pull subscription to everything, and what must be true of both afterwards (I1, I2, I6)."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from deploy.local.stack import Stack
from services.subscriptions.matching.outgoing import HEARTBEAT
from shared.process import db
from tests.e2e.platform import Platform, parkunion
from tests.integration.subscriptions.delivering.sending import Endpoint, Got, endpoint, fine, until

NETWORK = "127.0.0.0/8"
"""Where its endpoint is: for `up --allow-network`."""
SERVICE = "subscriptions"
CLIENT = "parkunion-local"
FAILING = 0.02
"""The part of the first attempts that the endpoint answers with 500."""
WITHIN = 180.0
"""Seconds after the last disturbance within which everything is delivered: failed attempts wait for their turn of the schedule."""


@dataclass
class Bureau:
    """`webhook`, `pull`: ids of its subscriptions. `taken` = {webhook-id: bodies that were answered with 200, in order}."""

    platform: Platform
    endpoint: Endpoint
    chance: random.Random
    webhook: str = ""
    pull: str = ""
    taken: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    order: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _failed: set[str] = field(default_factory=set)

    async def answer(self, request: web.Request, got: Got) -> web.StreamResponse:
        """200 for what is stored; now and then 500 for the first attempt of a number."""
        name = got.headers["webhook-id"]
        if "deliverynumber" not in got.event:
            return await fine(request, got)
        if name not in self._failed and name not in self.taken and self.chance.random() < FAILING:
            self._failed.add(name)
            return web.Response(status=500)
        if name not in self.taken:
            self.order[got.event["subject"]].append(got.number)
        self.taken.setdefault(name, []).append(got.event)
        return web.Response()

    async def subscribe(self) -> None:
        """A grant of all types and areas, with both subscriptions."""
        types = [one["type"] for one in self.platform.get(SERVICE, "/v1/types").json()["items"]]
        grant = await asyncio.to_thread(
            self.platform.accepted,
            SERVICE,
            "/v1/grants",
            {"client": CLIENT, "areas": ["*"], "types": types, "purpose": "检查", "legal_basis": "工会法"},
        )
        self.endpoint.answers["/hook"] = self.answer
        for kind, channel in (("webhook", {"kind": "webhook", "url": self.endpoint.url(), "signature": "v1a"}), ("pull", {"kind": "pull"})):
            body = {"grant_id": grant["id"], "channel": channel}
            made = await asyncio.to_thread(self.platform.accepted, SERVICE, "/v1/subscriptions", body)
            setattr(self, kind, made["id"])

    async def check(self) -> str:
        """Everything arrived, once in effect and in order, and each day's audit finds no difference; a line that sums up."""
        pool = await db.create_pool(Stack(self.platform.data).dsn(SERVICE), application_name="chaos.judge", max_size=2)
        try:

            async def delivered() -> bool:
                left = "SELECT EXISTS (SELECT FROM deliveries WHERE pending) OR EXISTS (SELECT FROM waiting)"
                return not await pool.fetchval(left)

            await until(delivered, WITHIN)
            assigned = await pool.fetchval("SELECT next_number - 1 FROM queues WHERE subscription = $1::text::uuid", self.webhook)
            states = await pool.fetch(
                "SELECT state, d.error, c.type, count(*), min(number), max(number) FROM deliveries AS d JOIN contents AS c ON c.id = d.content "
                "WHERE subscription = $1::text::uuid AND state <> 'delivered' GROUP BY 1, 2, 3",
                self.webhook,
            )
            assert not states, [tuple(row) for row in states]
            assert await pool.fetchval("SELECT count(*) FROM lanes") == 0
            days = [row["day"] for row in await pool.fetch("SELECT DISTINCT day FROM deliveries ORDER BY day")]
        finally:
            pool.terminate()
        assert self.taken.keys() == {f"{self.webhook}.{number}" for number in range(1, assigned + 1)}
        bodies = {name: [_essence(body) for body in attempts] for name, attempts in self.taken.items() if attempts[0]["type"] != HEARTBEAT}
        assert not [name for name, attempts in bodies.items() if any(body != attempts[0] for body in attempts)]
        assert not [subject for subject, numbers in self.order.items() if numbers != sorted(numbers)]
        pulled = await asyncio.to_thread(self._pulled)
        assert [number for number, _ in pulled] == list(range(1, len(pulled) + 1))
        # A day on which nothing was fanned out, all readers being down, gives each subscription a heartbeat of its own.
        by_pull, by_webhook = sorted(body for _, body in pulled if _type(body) != HEARTBEAT), sorted(one for one, *_ in bodies.values())
        assert by_pull == by_webhook, (
            f"only by pull: {Counter(by_pull) - Counter(by_webhook)}, only by webhook: {Counter(by_webhook) - Counter(by_pull)}"
        )
        for day in days:
            done = await asyncio.to_thread(
                parkunion, "subscriptions", "audit", day.isoformat(), "--json", "--data", self.platform.data, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
        repeated = sum(len(attempts) - 1 for attempts in self.taken.values())
        return f"{assigned} deliveries on {len(days)} days, {len(self._failed)} failed at first, {repeated} sent again after a blow"

    def _pulled(self) -> list[tuple[int, str]]:
        """Every number of the pull subscription."""
        found: list[tuple[int, str]] = []
        cursor: dict[str, str] = {}
        while True:
            answer = self.platform.get(SERVICE, f"/v1/subscriptions/{self.pull}/events", limit="500", **cursor)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += [(event["deliverynumber"], _essence(event)) for event in page["items"]]
            if not page["items"]:
                return found
            cursor = {"after": page["next"]}


def _type(essence: str) -> str:
    """The type of the event of which this is the essence."""
    found: str = json.loads(essence)["type"]
    return found


def _essence(event: dict[str, Any]) -> str:
    """A delivered event without what is a subscription's own."""
    own = ("deliverynumber", "watermark", "correctsnumbers")
    return json.dumps({name: value for name, value in event.items() if name not in own}, sort_keys=True)


@asynccontextmanager
async def bureau_of(platform: Platform, seed: int) -> AsyncIterator[Bureau]:
    """A bureau that has subscribed, with its endpoint on loopback."""
    async with endpoint() as at:
        bureau = Bureau(platform, at, random.Random(f"{seed}/bureau"))
        await bureau.subscribe()
        yield bureau
