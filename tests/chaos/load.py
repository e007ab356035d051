"""Clients that say a city through the public APIs and do not give up: what got no answer is said again under its key until it has one.

    load = Load(urls, token, seed)
    async with asyncio.timeout(…):
        await load.run(stop)
    await load.repeat_everything()

Every answer of every key is kept, for `judging` to compare.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from samples.city import Answer, Command
from samples.city.command_log import SERVICES, Service
from tests.chaos.commands import Plan, routed

CLIENTS = 6
LARGEST_BATCH = 40
PATIENCE = 150.0
"""Seconds after which a command that got no answer is a failure of the platform."""
ANSWER_TIMEOUT = 12.0
MISTAKES = (
    ("registry", "enterprise", {"name": "示例", "park": "no-such-park", "settled_on": "2024-01-02"}),
    ("registry", "enterprise", {"name": "示例", "park": "330203-P001", "settled_on": "2024-02-30"}),
    ("registry", "headcount", {"enterprise_id": "019080a0-0000-7000-8000-000000000000", "on": "2024-01-02", "workers": 3}),
    ("membership", "union", {"kind": "no_union", "seat_area": "330203-P001", "approved_on": "2024-01-02", "enterprises": []}),
    ("membership", "leave", {"member_id": "019080a0-0000-7000-8000-000000000000", "on": "2024-01-02", "reason": "retired"}),
)
"""Commands that are refused."""
WITHDRAWN = {"headcount", "member"}
"""Commands whose facts are withdrawn now and then."""
LATER = {"NOT_YET_KNOWN", "UNKNOWN_AREA"}
"""Refusals after which the same command is said again. Areas have no ids that tell their age: one that was registered a moment ago is
unknown to membership as long as its reader does not see that there is more to read."""


@dataclass(frozen=True)
class Said:
    """How a command is said: always the same way, since its path is part of what its key stands for."""

    service: Service
    op: str
    key: str
    body: Mapping[str, Any]
    alone: bool


@dataclass(frozen=True)
class Outcome:
    """One answer to one key; `events` is empty and `code` says why if it was refused."""

    status: int
    id: str = ""
    events: tuple[str, ...] = ()
    subject: str = ""
    sequence: int = 0
    code: str = ""

    @classmethod
    def of(cls, status: int, content: Mapping[str, Any]) -> Outcome:
        """From the body of an answer, or a line of it."""
        if status != 201:
            return cls(status, code=str((content.get("problem") or content).get("code")))
        return cls(status, content["id"], tuple(content["event_ids"]), content["subject"], content["sequence"])


class Silent(AssertionError):
    """A command was not answered for too long."""


class Load:
    """`urls`: {service: base URL}; chance comes from `seed` (as far as the machine lets it)."""

    def __init__(self, urls: Mapping[str, str], token: str, seed: int, pause: float = 0.03) -> None:
        self.said: dict[str, Said] = {}
        self.outcomes: dict[str, list[Outcome]] = defaultdict(list)
        """{key: every answer but those that ask for patience}"""
        self.troubles: Counter[str] = Counter()
        """{what came instead of an answer: how often}"""
        self.troubled: set[str] = set()
        """Keys of commands that got something else than an answer."""
        self.plan = Plan(seed)
        self.longest = 0.0
        """Seconds that the slowest answer took, with all its repeats."""
        self._urls = urls
        self._pause = pause
        self._chance = random.Random(f"{seed}/load")
        self._mistakes = 0
        self._withdrawals = 0
        limits = httpx.Limits(max_connections=2 * CLIENTS, max_keepalive_connections=CLIENTS)
        self._http = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, limits=limits, timeout=ANSWER_TIMEOUT, trust_env=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then what was begun is brought to its answer. Raises Silent."""
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._client(stop))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def repeat_everything(self) -> None:
        """Say again, under their keys, all commands that ever met trouble, and as many others."""
        fine = [key for key in self.said if key not in self.troubled]
        again = [*self.troubled, *self._chance.sample(fine, min(len(fine), max(200, len(self.troubled))))]
        alone = [self.said[key] for key in again if self.said[key].alone]
        room = asyncio.Semaphore(CLIENTS)

        async def one(saids: list[Said]) -> None:
            async with room:
                await self._say(saids)

        async with asyncio.TaskGroup() as clients:
            for said in alone:
                clients.create_task(one([said]))
            for service in SERVICES:
                lines = [self.said[key] for key in again if not self.said[key].alone and self.said[key].service == service]
                for start in range(0, len(lines), LARGEST_BATCH):
                    clients.create_task(one(lines[start : start + LARGEST_BATCH]))

    async def _client(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            service = self._chance.choice(SERVICES)
            alone = self._chance.random() < 0.7
            taken = self.plan.take(service, 1 if alone else self._chance.randint(2, LARGEST_BATCH))
            if taken:
                await self._carry_out(taken, alone)
            if self._chance.random() < 0.03:
                await self._err()
            if self._chance.random() < 0.1:
                await self._withdraw()
            if self.said and self._chance.random() < 0.1:
                again = self.said[self._chance.choice(list(self.said))]
                if self.outcomes[again.key]:
                    await self._say([again])
            await asyncio.sleep(self._chance.uniform(0, 2 * self._pause))

    async def _carry_out(self, taken: list[tuple[Command, dict[str, Any]]], alone: bool) -> None:
        saids = [Said(command.service, command.op, command.key, body, alone) for command, body in taken]
        for said in saids:
            self.said[said.key] = said
        if not alone and self._chance.random() < 0.2:
            saids.append(self._chance.choice(saids))  # a line that stands in its batch twice
        await self._say(saids)
        for said in saids:
            last = self.outcomes[said.key][-1]
            self.plan.settle(said.key, Answer(last.id, last.events) if last.status == 201 else None)

    async def _err(self) -> None:
        """Something that is refused, or a key that stands for something else already."""
        self._mistakes += 1
        service, op, body = self._chance.choice(MISTAKES)
        alone = self._chance.random() < 0.5
        key = f"mistake/{self._mistakes}"
        known = [said for said in self.said.values() if said.service == "registry" and said.op == "headcount" and said.alone]
        if known and self._chance.random() < 0.3:
            said = self._chance.choice(known)
            if not any(outcome.status == 201 for outcome in self.outcomes[said.key]):
                return
            other = Said(said.service, said.op, said.key, {**said.body, "workers": 9_999_999}, alone=True)
            (outcome,) = await self._patiently([other])
            assert outcome.code == "IDEMPOTENCY_KEY_REUSED", (said, outcome)
            return
        assert service in ("registry", "membership")
        self.said[key] = Said("registry" if service == "registry" else "membership", op, key, body, alone)
        await self._say([self.said[key]])

    async def _withdraw(self) -> None:
        """A fact that has counted, or is about to, never was one. Refused if something rests on it, or was said of it since."""
        said = self._chance.choice([said for said in self.said.values() if said.op in WITHDRAWN] or [None])
        done = self.outcomes[said.key][-1:] if said is not None else []
        if said is None or not done or done[0].status != 201:
            return
        self._withdrawals += 1
        key = f"withdrawal/{self._withdrawals}"
        body = {"subject": done[0].subject, "from": done[0].sequence, "to": done[0].sequence, "reason": "never_was"}
        self.said[key] = Said(said.service, "withdrawal", key, body, alone=True)
        await self._say([self.said[key]])

    async def _say(self, saids: list[Said]) -> None:
        began = time.monotonic()
        for said, outcome in zip(saids, await self._patiently(saids), strict=True):
            self.outcomes[said.key].append(outcome)
        self.longest = max(self.longest, time.monotonic() - began)

    async def _patiently(self, saids: list[Said]) -> list[Outcome]:
        """Ask until everything has an answer."""
        outcomes: dict[int, Outcome] = {}
        deadline = time.monotonic() + PATIENCE
        timeout = self._chance.uniform(0.001, 0.03) if self._chance.random() < 0.05 else ANSWER_TIMEOUT
        while waiting := [n for n in range(len(saids)) if n not in outcomes]:
            found = await self._once([saids[n] for n in waiting], timeout)
            timeout = ANSWER_TIMEOUT
            if isinstance(found, str):
                self.troubles[found] += 1
                self.troubled |= {saids[n].key for n in waiting}
            else:
                outcomes |= {n: outcome for n, outcome in zip(waiting, found, strict=True) if outcome.code not in LATER}
                self.troubles.update(outcome.code for outcome in found if outcome.code in LATER)
            if len(outcomes) < len(saids):
                if time.monotonic() > deadline:
                    raise Silent(f"{[saids[n] for n in waiting][:3]}: {found!r} after {PATIENCE:.0f} s; {self.troubles}")
                await asyncio.sleep(self._chance.uniform(0.05, 0.6))
        return [outcomes[n] for n in range(len(saids))]

    async def _once(self, saids: list[Said], timeout: float) -> list[Outcome] | str:
        """The answers, or what came instead of them."""
        first = saids[0]
        url = self._urls[first.service]
        try:
            if first.alone:
                path, body = routed(first.op, first.body)
                answer = await self._http.post(url + path, json=body, headers={"Idempotency-Key": first.key}, timeout=timeout)
            else:
                lines = b"".join(json.dumps({"op": said.op, "key": said.key, "body": said.body}).encode() + b"\n" for said in saids)
                headers = {"Content-Type": "application/x-ndjson"}
                answer = await self._http.post(url + "/v1/batch", content=lines, headers=headers, timeout=timeout)
        except httpx.TransportError as error:
            return type(error).__name__
        if answer.status_code >= 500 or answer.status_code in (408, 425, 429):
            return f"HTTP {answer.status_code}"
        if first.alone:
            return [Outcome.of(answer.status_code, answer.json())]
        if answer.status_code != 200:
            raise AssertionError(f"a batch was refused: {answer.status_code} {answer.text}")
        found = [json.loads(line) for line in answer.content.splitlines()]
        return [Outcome.of(line["status"], line) for line in found]
