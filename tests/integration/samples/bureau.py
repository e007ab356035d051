"""The other side of the sample receiver: signs deliveries with independent packages, and answers what the receiver asks of the service."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from joserfc.jwk import OKPKey
from standardwebhooks import Webhook

from samples.receiver.app import Options, app_of

SUBSCRIPTION = "01938c5e-7f01-7000-8000-0000000000a1"
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def event(number: int | None, watermark: int = 0, **changed: Any) -> dict[str, Any]:
    """A delivered event."""
    union = str(uuid.UUID(int=number or 0))
    own = {} if number is None else {"deliverynumber": number, "watermark": watermark}
    return {
        "specversion": "1.0",
        "id": str(uuid.UUID(int=1000 + (number or 0))),
        "source": "/services/membership",
        "type": "parkunion.union-founded.v1",
        "subject": f"union/{union}",
        "time": "2026-07-01T01:30:00.123456Z",
        "occurredon": "2026-06-30",
        "datacontenttype": "application/json",
        **own,
        "data": {"union_id": union, "kind": "enterprise_union"},
    } | changed


def headers(name: str, body: bytes, at: datetime, *signatures: str) -> dict[str, str]:
    return {"webhook-id": name, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": " ".join(signatures)}


def by_secret(name: str, body: bytes, at: datetime | None = None, secret: str = SECRET) -> dict[str, str]:
    """The headers of a request, signed with `standardwebhooks`."""
    at = at or datetime.now(UTC)
    return headers(name, body, at, Webhook(secret).sign(name, at, body.decode()))


@dataclass
class Service:
    """Answers as the service does. `asked`: the bodies of the replays, in order; `state`, `manifests`: its answers."""

    keys: list[OKPKey] = field(default_factory=lambda: [OKPKey.generate_key("Ed25519", auto_kid=True)])
    state: dict[str, Any] = field(default_factory=lambda: {"status": "active", "assigned_to": 0, "delivered_to": 0, "parked": 0})
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    url: str = ""

    def by_key(self, name: str, body: bytes, *keys: OKPKey) -> dict[str, str]:
        """The headers of a request, signed by keys (default: all of the key set)."""
        at = datetime.now(UTC)
        content = f"{name}.{int(at.timestamp())}.".encode() + body
        signatures = []
        for key in keys or self.keys:
            private = key.as_dict(private=True)["d"]
            assert isinstance(private, str)
            signed = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(private + "==")).sign(content)
            signatures.append(f"v1a,{base64.b64encode(signed).decode()}")
        return headers(name, body, at, *signatures)

    def answer(self, method: str, path: str, body: bytes, token: str) -> tuple[int, Any]:
        """(status, answer) of a request."""
        if path == "/.well-known/jwks.json":
            return 200, {"keys": [key.as_dict(private=False) for key in self.keys]}
        self.tokens.append(token)
        of = f"/v1/subscriptions/{SUBSCRIPTION}"
        if method == "POST" and path == f"{of}/replay":
            self.asked.append(json.loads(body))
            return 202, {}
        if path == of:
            return 200, self.state
        day = path.removeprefix(f"{of}/manifests/")
        return (200, self.manifests[day]) if day in self.manifests else (404, {"code": "NOT_FOUND"})


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """The service on a port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, answer = service.answer(self.command, self.path, body, self.headers.get("authorization", ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Bureau:
    """A receiver, and requests to it from this machine."""

    http: httpx.AsyncClient
    receiver_app: FastAPI

    async def send(self, content: dict[str, Any], signed: dict[str, str] | None = None) -> int:
        """The status of a delivery, signed with the secret."""
        body = json.dumps(content).encode()
        name = f"{SUBSCRIPTION}.{content.get('deliverynumber') or 'test'}"
        answer = await self.http.post("/events", content=body, headers=signed or by_secret(name, body))
        return answer.status_code

    async def lines(self) -> list[bytes]:
        """The events that are stored."""
        return (await self.http.get("/events.ndjson")).content.splitlines()

    async def state(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get("/")).json()
        return found


@asynccontextmanager
async def bureau_of(database: Path, **changed: Any) -> AsyncIterator[Bureau]:
    """A receiver with the secret, in this process."""
    app = app_of(Options(**{"database": database, "jwks": None, "secrets": [Webhook(SECRET)._whsecret], **changed}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as http:
            yield Bureau(http, app)
