"""Clients that load a city through the public APIs; a request without an answer is repeated under its key until it has one.

    load = Load(urls, token, seed)
    async with asyncio.timeout(…):
        await load.run(stop)
    await load.repeat_everything()

Every answer of every key is kept for `checks`.
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
from tests.chaos.commands import CommandQueue, routed

CLIENTS = 6
LARGEST_BATCH = 40
PATIENCE = 150.0
"""Seconds after which a command without an answer fails the test."""
ANSWER_TIMEOUT = 12.0
MISTAKES: tuple[tuple[Service, str, dict[str, Any]], ...] = (
    ("registry", "enterprise", {"name": "示例", "park": "no-such-park", "settled_on": "2024-01-02"}),
    ("registry", "enterprise", {"name": "示例", "park": "330203-P001", "settled_on": "2024-02-30"}),
    ("registry", "headcount", {"enterprise_id": "019080a0-0000-7000-8000-000000000000", "on": "2024-01-02", "workers": 3}),
    ("membership", "union", {"kind": "no_union", "seat_area": "330203-P001", "approved_on": "2024-01-02", "enterprises": []}),
    ("membership", "leave", {"member_id": "019080a0-0000-7000-8000-000000000000", "on": "2024-01-02", "reason": "retired"}),
    ("cases", "case_outcome", {"case_id": "019080a0-0000-7000-8000-000000000000", "on": "2024-01-02", "outcome": "ended"}),
)
"""Commands that are refused."""
WITHDRAWN = {"headcount", "member"}
"""Commands whose facts are withdrawn now and then."""
LATER = {"NOT_YET_KNOWN", "UNKNOWN_AREA"}
"""Refusals after which the same command is repeated. Codes of areas carry no time: an area that was just registered is unknown to
membership until its reader sees that there is more to read."""


@dataclass(frozen=True)
class Request:
    """A command and how it is sent: always the same way, since the fingerprint of its key covers the path."""

    service: Service
    op: str
    key: str
    body: Mapping[str, Any]
    alone: bool


@dataclass(frozen=True)
class Outcome:
    """One answer to one key; of a refusal, `events` is empty and `code` is set."""

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


class NoAnswerError(AssertionError):
    """A command was not answered within PATIENCE seconds."""


class Load:
    """`urls`: {service: base URL}; random choices come from `seed`, as far as timing allows."""

    def __init__(self, urls: Mapping[str, str], token: str, seed: int, pause: float = 0.03) -> None:
        self.requests: dict[str, Request] = {}
        self.outcomes: dict[str, list[Outcome]] = defaultdict(list)
        """{key: every answer except those of LATER}"""
        self.failures: Counter[str] = Counter()
        """{error instead of an answer: how often}"""
        self.failed: set[str] = set()
        """Keys of commands that got an error instead of an answer."""
        self.queue = CommandQueue(seed)
        self.longest = 0.0
        """Seconds of the slowest answer, with all its repeats."""
        self._urls = urls
        self._pause = pause
        self._chance = random.Random(f"{seed}/load")
        self._mistakes = 0
        self._withdrawals = 0
        limits = httpx.Limits(max_connections=2 * CLIENTS, max_keepalive_connections=CLIENTS)
        self._http = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, limits=limits, timeout=ANSWER_TIMEOUT, trust_env=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, then wait for outstanding answers. Raises NoAnswerError."""
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._client(stop))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def repeat_everything(self) -> None:
        """Repeat, under their keys, all commands that ever failed, and as many others."""
        fine = [key for key in self.requests if key not in self.failed]
        again = [*self.failed, *self._chance.sample(fine, min(len(fine), max(200, len(self.failed))))]
        alone = [self.requests[key] for key in again if self.requests[key].alone]
        free = asyncio.Semaphore(CLIENTS)

        async def one(requests: list[Request]) -> None:
            async with free:
                await self._send(requests)

        async with asyncio.TaskGroup() as clients:
            for request in alone:
                clients.create_task(one([request]))
            for service in SERVICES:
                lines = [self.requests[key] for key in again if not self.requests[key].alone and self.requests[key].service == service]
                for start in range(0, len(lines), LARGEST_BATCH):
                    clients.create_task(one(lines[start : start + LARGEST_BATCH]))

    async def _client(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            service = self._chance.choice(SERVICES)
            alone = self._chance.random() < 0.7
            taken = self.queue.take(service, 1 if alone else self._chance.randint(2, LARGEST_BATCH))
            if taken:
                await self._send_commands(taken, alone)
            if self._chance.random() < 0.03:
                await self._send_mistake()
            if self._chance.random() < 0.1:
                await self._withdraw()
            if self.requests and self._chance.random() < 0.1:
                again = self.requests[self._chance.choice(list(self.requests))]
                if self.outcomes[again.key]:
                    await self._send([again])
            await asyncio.sleep(self._chance.uniform(0, 2 * self._pause))

    async def _send_commands(self, taken: list[tuple[Command, dict[str, Any]]], alone: bool) -> None:
        requests = [Request(command.service, command.op, command.key, body, alone) for command, body in taken]
        for request in requests:
            self.requests[request.key] = request
        if not alone and self._chance.random() < 0.2:
            requests.append(self._chance.choice(requests))  # a line that is in its batch twice
        await self._send(requests)
        for request in requests:
            last = self.outcomes[request.key][-1]
            self.queue.settle(request.key, Answer(last.id, last.events) if last.status == 201 else None)

    async def _send_mistake(self) -> None:
        """Send a command that is refused, or one with a key that was used for another command."""
        self._mistakes += 1
        service, op, body = self._chance.choice(MISTAKES)
        alone = self._chance.random() < 0.5
        key = f"mistake/{self._mistakes}"
        known = [
            request for request in self.requests.values() if request.service == "registry" and request.op == "headcount" and request.alone
        ]
        if known and self._chance.random() < 0.3:
            request = self._chance.choice(known)
            if not any(outcome.status == 201 for outcome in self.outcomes[request.key]):
                return
            other = Request(request.service, request.op, request.key, {**request.body, "workers": 9_999_999}, alone=True)
            (outcome,) = await self._until_answered([other])
            assert outcome.code == "IDEMPOTENCY_KEY_REUSED", (request, outcome)
            return
        self.requests[key] = Request(service, op, key, body, alone)
        await self._send([self.requests[key]])

    async def _withdraw(self) -> None:
        """Withdraw a fact. It is refused if other facts need it or follow it."""
        request = self._chance.choice([request for request in self.requests.values() if request.op in WITHDRAWN] or [None])
        done = self.outcomes[request.key][-1:] if request is not None else []
        if request is None or not done or done[0].status != 201:
            return
        self._withdrawals += 1
        key = f"withdrawal/{self._withdrawals}"
        body = {"subject": done[0].subject, "from": done[0].sequence, "to": done[0].sequence, "reason": "never_was"}
        self.requests[key] = Request(request.service, "withdrawal", key, body, alone=True)
        await self._send([self.requests[key]])

    async def _send(self, requests: list[Request]) -> None:
        began = time.monotonic()
        for request, outcome in zip(requests, await self._until_answered(requests), strict=True):
            self.outcomes[request.key].append(outcome)
        self.longest = max(self.longest, time.monotonic() - began)

    async def _until_answered(self, requests: list[Request]) -> list[Outcome]:
        """Send until every request has an answer."""
        outcomes: dict[int, Outcome] = {}
        deadline = time.monotonic() + PATIENCE
        timeout = self._chance.uniform(0.001, 0.03) if self._chance.random() < 0.05 else ANSWER_TIMEOUT
        while waiting := [n for n in range(len(requests)) if n not in outcomes]:
            found = await self._once([requests[n] for n in waiting], timeout)
            timeout = ANSWER_TIMEOUT
            if isinstance(found, str):
                self.failures[found] += 1
                self.failed |= {requests[n].key for n in waiting}
            else:
                outcomes |= {n: outcome for n, outcome in zip(waiting, found, strict=True) if outcome.code not in LATER}
                self.failures.update(outcome.code for outcome in found if outcome.code in LATER)
            if len(outcomes) < len(requests):
                if time.monotonic() > deadline:
                    raise NoAnswerError(f"{[requests[n] for n in waiting][:3]}: {found!r} after {PATIENCE:.0f} s; {self.failures}")
                await asyncio.sleep(self._chance.uniform(0.05, 0.6))
        return [outcomes[n] for n in range(len(requests))]

    async def _once(self, requests: list[Request], timeout: float) -> list[Outcome] | str:
        """The answers, or the name of the error."""
        first = requests[0]
        url = self._urls[first.service]
        try:
            if first.alone:
                path, body = routed(first.op, first.body)
                answer = await self._http.post(url + path, json=body, headers={"Idempotency-Key": first.key}, timeout=timeout)
            else:
                lines = b"".join(
                    json.dumps({"op": request.op, "key": request.key, "body": request.body}).encode() + b"\n" for request in requests
                )
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
