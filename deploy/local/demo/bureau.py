"""A labour bureau in the demo: a client with a grant, a webhook subscription, and the sample receiver on this machine."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from rich.table import Table

from deploy.local.child import ServerProcess, StartError, free_port, spawn
from deploy.local.errors import UserError
from deploy.local.folder import Folder
from deploy.local.loading.api import Apis, apis_of
from deploy.local.servers.clients import Clients
from deploy.local.stack import Stack
from deploy.local.supervising.processes import ZONE, base_environment, rotate_log

CLIENT = "labour-bureau"
NETWORK = "127.0.0.0/8"
"""Where the receiver is: allowed to webhooks of a demo, in its own stack only."""
TYPES = tuple(f"parkunion.{name}.v1" for name in ("union-founded", "union-dissolved", "enterprise-moved", "enterprise-closed"))
"""What the bureau is granted: a few thousand events of a sample. Members would be a hundred thousand, and share two processors with their import."""
SUBSCRIPTIONS = "subscriptions"
START_TIMEOUT = 30.0
DELIVERED_TIMEOUT = 120.0
"""Seconds without progress after which the demo says that something is missing."""
PAUSE = 0.2
SO_FAR = "至今一致 right so far"
LAST = 20
"""Deliveries from which the time of the last one is taken."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of the subscription. `last_seconds`: from the recording of the last event to its arrival; `manifests`: of each day the numbers and
    the differences that its verification found."""

    client: str
    subscription: str
    status: str
    types: list[str]
    receiver: str
    assigned: int
    received: int
    withheld: int
    parked: int
    repeats: int
    gaps: list[Any]
    last_seconds: float | None
    manifests: list[dict[str, Any]]

    @property
    def complete(self) -> bool:
        """Whether every number that was given came, and every manifest agrees; that of a day that is open (`complete` of the manifest) as far as it goes."""
        verified = bool(self.manifests) and not any(day["findings"] for day in self.manifests)
        return self.assigned <= self.received + self.withheld and not self.gaps and verified

    def body(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "complete": self.complete}


class ReceiverProcess(ServerProcess):
    """`python -m samples.receiver` on a port of this machine, with its database in the stack's folder."""

    def __init__(self, folder: Folder, port: int) -> None:
        self.port = port
        self.log = folder.logs / "receiver.log"
        self._folder = folder

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, service: str) -> None:
        """Start it. Raises StartError."""
        token = shlex.join([sys.executable, "-P", "-m", "deploy.local", "--data", str(self._folder.path), "token", "--client", CLIENT])
        options = {
            "--port": str(self.port),
            "--jwks": f"{service}/.well-known/jwks.json",
            "--token-command": token,
            "--database": str(self._folder.path / "receiver" / "received.sqlite"),
            "--zone": ZONE,
            "--every": "300",
        }
        words = [word for option in options.items() for word in option]
        rotate_log(self.log)
        self._process = spawn([sys.executable, "-P", "-m", "samples.receiver", *words], self.log, env=base_environment())

    async def answers(self, http: httpx.AsyncClient) -> None:
        """Wait until it does. Raises StartError."""
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                await http.get(self.url)
                return
            except httpx.TransportError:
                if self.pid is None or time.monotonic() > deadline:
                    raise StartError(f"the receiver did not start; its log is {self.log}") from None
            await asyncio.sleep(PAUSE / 4)

    def stop(self) -> None:
        self._stop(signal.SIGTERM, 5.0)


class Bureau:
    """The receiver and its subscription, made if the folder has none yet. Use `bureau_of`."""

    def __init__(self, stack: Stack, apis: Apis, http: httpx.AsyncClient) -> None:
        self._stack = stack
        self._apis = apis
        self._http = http
        self._receiver: ReceiverProcess | None = None
        self._subscription = ""

    @property
    def address(self) -> str:
        """The receiver's page."""
        return f"{self._receiver.url}/" if self._receiver is not None else ""

    def stop(self) -> None:
        if self._receiver is not None:
            self._receiver.stop()

    async def open(self, federation: Apis) -> None:
        """Start the receiver, and subscribe. `federation` may grant. Raises UserError."""
        before = await self._apis.get(SUBSCRIPTIONS, "/v1/subscriptions", {"status": "active", "client": CLIENT})
        known = {urlsplit(one["channel"]["url"] or "").port: one["id"] for one in before["items"] if one["channel"]["kind"] == "webhook"}
        port = free_port(next((port for port in known if port), None))
        receiver = self._receiver = ReceiverProcess(self._stack.folder, port)
        receiver.start(self._stack.url(SUBSCRIPTIONS))
        if port in known:
            self._subscription = known[port]
            await self._answers(receiver)
            return
        terms = {"client": CLIENT, "areas": ["*"], "types": TYPES, "purpose": "演示:劳动保障监察", "legal_basis": "演示用,无法律依据"}
        grant = await federation.post(SUBSCRIPTIONS, "/v1/grants", terms)
        await self._answers(receiver)
        # What is loaded while the receiver is verified is numbered, and sent then.
        channel = {"kind": "webhook", "url": f"{receiver.url}/events", "signature": "v1a"}
        made = await self._apis.post(SUBSCRIPTIONS, "/v1/subscriptions", {"grant_id": grant["id"], "channel": channel})
        self._subscription = made["id"]

    async def _answers(self, receiver: ReceiverProcess) -> None:
        try:
            await receiver.answers(self._http)
        except StartError as error:
            raise UserError(f"接收端未能启动;日志在 {receiver.log}", str(error)) from error

    async def _state(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._apis.get(SUBSCRIPTIONS, f"/v1/subscriptions/{self._subscription}")
        return found

    async def _seen(self) -> dict[str, Any]:
        """What the receiver has of the subscription."""
        content = (await self._http.get(self.address)).json()
        nothing = {"received": 0, "withheld": 0, "repeats": 0, "gaps": [], "manifests": []}
        return next((one for one in content["subscriptions"] if one["subscription"] == self._subscription), nothing)

    async def received(self) -> int | None:
        """How many events have come by now; None: the receiver does not answer."""
        try:
            return int((await self._seen())["received"])
        except httpx.HTTPError:
            return None

    async def delivered(self) -> Report:
        """What came, once every number is accounted for and the manifests are verified; after DELIVERED_TIMEOUT without progress as it is."""
        deadline, before = time.monotonic() + DELIVERED_TIMEOUT, -1
        while True:
            state, seen = await self._state(), await self._seen()
            came = seen["received"] + seen["withheld"]
            if came != before:
                deadline, before = time.monotonic() + DELIVERED_TIMEOUT, came
            if came >= state["assigned_to"] == state["delivered_to"] or time.monotonic() > deadline:
                break
            await asyncio.sleep(PAUSE)
        await self._http.post(f"{self.address}check")
        state, seen = await self._state(), await self._seen()
        return Report(
            CLIENT, self._subscription, state["status"], list(TYPES), self.address, state["assigned_to"], seen["received"], seen["withheld"], state["parked"],
            seen["repeats"], seen["gaps"], await self._last_seconds(state["assigned_to"]), seen["manifests"],
        )  # fmt: skip

    async def _last_seconds(self, assigned: int) -> float | None:
        path = f"/v1/subscriptions/{self._subscription}/deliveries"
        items = (await self._apis.get(SUBSCRIPTIONS, path, {"after": str(max(0, assigned - LAST))}))["items"]
        sent = [(one["number"], seconds) for one in items if (seconds := seconds_of(one)) is not None]
        return max(sent)[1] if sent else None


def seconds_of(delivery: Mapping[str, Any]) -> float | None:
    """From the recording of an event to the answer of its endpoint; None if it was not sent. The clock of a demo is turned by whole days meanwhile."""
    if not delivery["attempts"] or delivery["time"] is None:
        return None
    attempt = delivery["attempts"][0]
    took = datetime.fromisoformat(attempt["at"]) - datetime.fromisoformat(delivery["time"])
    return float((took % DAY).total_seconds() + (attempt["duration_ms"] or 0) / 1000)


def report_table(report: Report) -> Table:
    """The report as a table."""
    table = Table(title=f"向 {CLIENT} 推送 / delivered to {CLIENT}", show_header=False)
    took = "—" if report.last_seconds is None else f"{report.last_seconds:.2f} s"
    days = [f"{day['day']}: {day['count']} {_state(day)}" for day in report.manifests]
    for zh, en, text in (
        ("已收到", "received", f"{report.received} / {report.assigned}"),
        ("最后一件用时", "the last one took", took),
        ("重复 · 缺号 · 搁置", "repeated · gaps · parked", f"{report.repeats} · {len(report.gaps)} · {report.parked}"),
        ("每日清单", "manifests of the days", "\n".join(days) or "—"),
        ("齐全且一致", "complete and unaltered", _whole(report)),
    ):
        table.add_row(f"{zh} {en}", text)
    return table


def _state(day: Mapping[str, Any]) -> str:
    """What the verification of a day's manifest says. A day that is not closed may still get numbers."""
    return "✗" if day["findings"] else "✓" if day["complete"] else "未结账 open: " + SO_FAR


def _whole(report: Report) -> str:
    if not report.complete:
        return "✗"
    return "✓" if all(day["complete"] for day in report.manifests) else SO_FAR


@asynccontextmanager
async def bureau_of(stack: Stack, federation: Apis) -> AsyncIterator[Bureau]:
    """A bureau with its receiver, which ends with the context. Raises UserError."""
    clients = Clients(stack.folder)
    if CLIENT not in clients.all():
        clients.add(CLIENT, ["subscriptions:use"], [])
    address = {SUBSCRIPTIONS: stack.url(SUBSCRIPTIONS)}
    async with (
        apis_of(address, lambda: stack.token(client=CLIENT)) as apis,
        httpx.AsyncClient(timeout=30, trust_env=False) as http,
    ):
        bureau = Bureau(stack, apis, http)
        try:
            await bureau.open(federation)
            yield bureau
        finally:
            await asyncio.to_thread(bureau.stop)
