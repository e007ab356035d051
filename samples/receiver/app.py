"""The receiver's routes: `POST /events` for the service, pages for this machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect

from samples.receiver.checking import Checker
from samples.receiver.keys import Keys
from samples.receiver.page import page_of, state_of
from samples.receiver.service import Service, Token
from samples.receiver.signatures import TOLERANCE, Refused, Signed, signed_of, verified
from samples.receiver.store import Delivery, Store, Writer
from shared.manifests.chain import event_hash
from shared.process.clock import utc_now

MOST_BYTES = 1024 * 1024
"""Of a request's body; the service sends at most a quarter of it."""
VERIFICATION = "parkunion.subscription-verification.v1"
WITHHELD = "parkunion.delivery-withheld.v1"
ATTRIBUTES = ("id", "type", "source", "subject")
LOOPBACK = ("127.0.0.1", "::1")

log = logging.getLogger("receiver")


@dataclass(frozen=True, slots=True)
class Options:
    """What the receiver is started with. `service`: base address of the service; without `token_command` nothing is asked of it.

    `subscriptions`: those that are taken; none named: all that the service signs. `secrets`: of `v1` signatures. `every`: seconds between checks.
    """

    database: Path
    jwks: str | None
    secrets: Sequence[bytes] = ()
    service: str | None = None
    token_command: str | None = None
    subscriptions: Collection[str] = ()
    tolerance: float = TOLERANCE
    every: float = 60.0
    zone: str = "Asia/Shanghai"


class Receiver:
    """What the routes share."""

    def __init__(self, options: Options, http: httpx.AsyncClient) -> None:
        self.options = options
        self.store = Store(options.database)
        self.writer = Writer(self.store)
        self.keys = Keys(http, options.jwks)
        self.refused = 0
        self.checker: Checker | None = None
        if options.service and options.token_command:
            service = Service(http, options.service, Token(options.token_command))
            self.checker = Checker(self.store, self.keys, service, utc_now, ZoneInfo(options.zone))

    async def signed(self, request: Request) -> tuple[Signed, bytes]:
        """The headers and the body, if the service signed them just now. Raises Refused."""
        signed = signed_of(request.headers, utc_now().timestamp(), self.options.tolerance)
        body = await _body(request)
        by_secret = self.options.secrets
        if not verified(signed, body, await self.keys.fresh(), by_secret) and not (
            await self.keys.again() and verified(signed, body, self.keys.public, by_secret)
        ):
            raise Refused("no signature is by a known key")
        if self.options.subscriptions and signed.subscription not in self.options.subscriptions:
            raise Refused("another subscription")
        return signed, body


async def _body(request: Request) -> bytes:
    """The body, of MOST_BYTES at most."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > MOST_BYTES:
            raise HTTPException(413)
    return bytes(parts)


def delivery_of(signed: Signed, body: bytes, event: dict[str, Any]) -> Delivery:
    """What is stored of an event. Raises ValueError if it is no event, or not that of its webhook-id."""
    number, watermark = event.get("deliverynumber"), event.get("watermark", 0)
    if event.get("specversion") != "1.0" or not all(isinstance(event.get(name), str) and event[name] for name in ATTRIBUTES):
        raise ValueError("no CloudEvent")
    if number is not None and f"{signed.subscription}.{number}" != signed.id:
        raise ValueError("the number is not that of webhook-id")
    if not isinstance(watermark, int):
        raise ValueError("the watermark is no number")
    withheld, data = event["type"] == WITHHELD, event.get("data")
    numbers = [number] if number is not None else []
    if withheld and isinstance(data, dict) and isinstance(data.get("numbers"), list):
        numbers += [one for one in data["numbers"] if isinstance(one, int) and one not in numbers]
    return Delivery(
        signed.id, withheld, signed.subscription, number, event["id"], event["type"], event["subject"], event_hash(event), signed.sent_at,
        utc_now().isoformat(), body, numbers, watermark,
    )  # fmt: skip


def app_of(options: Options) -> FastAPI:
    """The receiver as an ASGI application."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Addresses are given explicitly: a proxy of the environment is not used.
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            receiver = app.state.receiver = Receiver(options, http)
            checking = asyncio.create_task(receiver.checker.run(options.every)) if receiver.checker is not None else None
            try:
                yield
            finally:
                if checking is not None:
                    checking.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await checking
                receiver.store.close()

    app = FastAPI(title="parkunion sample receiver", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/events", receive, methods=["POST"])
    app.add_api_route("/", show, methods=["GET"])
    app.add_api_route("/events.ndjson", export, methods=["GET"])
    app.add_api_route("/check", check, methods=["POST"])
    return app


async def receive(request: Request) -> Response:
    """One delivery: 204 when it is on the disk, 401 if the service did not sign it just now."""
    receiver: Receiver = request.app.state.receiver
    try:
        signed, body = await receiver.signed(request)
    except (Refused, ClientDisconnect) as reason:
        receiver.refused += 1
        log.warning("refused: %s", reason)
        return JSONResponse({"error": str(reason)}, 401)
    try:
        event = msgspec.json.decode(body)
        if not isinstance(event, dict):
            raise ValueError("no JSON object")
        if event.get("type") == VERIFICATION:
            return JSONResponse({"challenge": event["data"]["challenge"]})
        delivery = delivery_of(signed, body, event)
    except (ValueError, KeyError, TypeError) as error:
        receiver.refused += 1
        log.warning("not understood: %s: %r", signed.id, error)
        return JSONResponse({"error": str(error)}, 400)
    try:
        await receiver.writer.put(delivery)
    except sqlite3.Error:
        log.exception("%s cannot be stored", signed.id)
        return JSONResponse({"error": "cannot be stored now"}, 503, headers={"Retry-After": "30"})
    return Response(status_code=204)


def _of_this_machine(request: Request) -> Receiver:
    """Pages are for this machine alone; whoever puts a proxy before the receiver lets `/events` through and nothing else."""
    if request.client is None or request.client.host not in LOOPBACK:
        raise HTTPException(404)
    receiver: Receiver = request.app.state.receiver
    return receiver


async def show(request: Request) -> Response:
    """What has come: a page for browsers, else JSON."""
    receiver = _of_this_machine(request)
    state = await asyncio.to_thread(state_of, receiver.store, receiver.checker, receiver.refused)
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(page_of(state))
    return JSONResponse(state)


async def export(request: Request, subscription: str | None = None) -> Response:
    """Every event as it came, one a line: what `parkunion manifest verify --received` reads."""
    store = _of_this_machine(request).store
    return StreamingResponse((body + b"\n" for body in store.bodies(subscription)), media_type="application/x-ndjson")


async def check(request: Request) -> Response:
    """Look for gaps and verify manifests now."""
    receiver = _of_this_machine(request)
    if receiver.checker is None:
        return JSONResponse({"error": "started without --service and --token-command"}, 409)
    return JSONResponse(await receiver.checker.check())
