"""What the receiver asks of the service: the state of a subscription, a replay, the manifest of a day. With a token of its own client."""

from __future__ import annotations

import asyncio
import shlex
import time
from typing import Any

import httpx

TOKEN_SECONDS = 300.0
"""A token is used for so long; one that is refused is replaced at once."""


class NoToken(Exception):
    """The command printed no token; the text is what it said."""


class ServiceRefused(Exception):
    """The service answered with a problem. `status`, `code`, and the text in English."""

    def __init__(self, answer: httpx.Response) -> None:
        try:
            problem = answer.json()
        except ValueError:
            problem = {}
        errors = problem.get("errors") or [{}]
        self.status, self.code = answer.status_code, str(problem.get("code", ""))
        super().__init__(f"{self.status} {self.code} {errors[0].get('message_en', '')}".strip())


class Token:
    """The access token that a command prints, such as `./parkunion token --client bureau`."""

    def __init__(self, command: str) -> None:
        self._words = shlex.split(command)
        self._text = ""
        self._since = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self, *, new: bool = False) -> str:
        """The token; `new`: another than the last one, which was refused. Raises NoToken."""
        async with self._lock:
            if new or time.monotonic() - self._since > TOKEN_SECONDS:
                self._text, self._since = await self._printed(), time.monotonic()
            return self._text

    async def _printed(self) -> str:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*self._words, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise NoToken(str(error)) from error
        try:
            output, errors = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        text = output.decode().strip()
        if process.returncode or not text:
            raise NoToken(errors.decode(errors="replace").strip() or f"exit status {process.returncode}")
        return text


class Service:
    """The routes of the service at `address`, without a slash at the end. Raises ServiceRefused, NoToken, httpx.HTTPError."""

    def __init__(self, http: httpx.AsyncClient, address: str, token: Token) -> None:
        self._http = http
        self._address = address
        self._token = token

    async def subscription(self, subscription: str) -> dict[str, Any]:
        """Its state: `status`, `assigned_to`, `delivered_to`, `parked`, …"""
        return await self._ask("GET", f"/v1/subscriptions/{subscription}")

    async def replay(self, subscription: str, first: int) -> dict[str, Any]:
        """Have everything from this number on sent again, under the same numbers."""
        return await self._ask("POST", f"/v1/subscriptions/{subscription}/replay", {"from_number": first})

    async def manifest(self, subscription: str, day: str) -> dict[str, Any]:
        """What the subscription was given on a day, signed."""
        return await self._ask("GET", f"/v1/subscriptions/{subscription}/manifests/{day}")

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = await self._request(method, path, body, await self._token.get())
        if answer.status_code == 401:
            answer = await self._request(method, path, body, await self._token.get(new=True))
        if answer.is_error:
            raise ServiceRefused(answer)
        found: dict[str, Any] = answer.json()
        return found

    async def _request(self, method: str, path: str, body: dict[str, Any] | None, token: str) -> httpx.Response:
        return await self._http.request(method, self._address + path, json=body, headers={"Authorization": f"Bearer {token}"})
