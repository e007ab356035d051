"""The public APIs of a running stack, asked patiently: what is only away for a moment is asked again, with the same idempotency keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import stamina

from deploy.local.trouble import Trouble

PATIENCE = 120.0
"""Seconds for which a service may be away, and for which one is waited that has not learned of a thing yet."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
ANSWER_TIMEOUT = 90.0
AWAY = frozenset({429, 500, 502, 503, 504})
IMPORT_HEADER = "X-Parkunion-Import"
NDJSON = "application/x-ndjson"

TokenSource = Callable[[], str]


class Away(Exception):
    """The service does not answer, or says that it cannot now; `after` is the time that it asks for (seconds)."""

    def __init__(self, what: str, after: float = 0.0) -> None:
        super().__init__(what)
        self.after = after


class Stopped(Trouble):
    """The stack was stopped in the middle."""

    def __init__(self) -> None:
        super().__init__(
            "平台已停止,已应答的行均已保存;启动平台后重新执行即可继续",
            "the stack was stopped; what was answered is kept; start it and run this again: it goes on",
        )


class Denied(Trouble):
    """The service refuses the request as a whole."""

    def __init__(self, service: str, answer: httpx.Response) -> None:
        self.problem = _problem(answer)
        errors = self.problem.get("errors") or [{}]
        zh = "；".join(_said(error, "zh") for error in errors) or str(answer.status_code)
        en = "; ".join(_said(error, "en") for error in errors) or str(answer.status_code)
        super().__init__(f"{service} 拒绝了请求({answer.status_code}):{zh}", f"{service} refused ({answer.status_code}): {en}")


def _said(error: Mapping[str, Any], language: str) -> str:
    field = f"{error['field']}: " if error.get("field") else ""
    return field + str(error.get(f"message_{language}", ""))


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


class Apis:
    """Requests to the services by name. `addresses` are base URLs, `token` gets a new access token (it may block), `runs` says whether the
    stack still means to run: for one that was stopped on purpose nobody waits."""

    def __init__(
        self, addresses: Mapping[str, str], token: TokenSource, client: httpx.AsyncClient, runs: Callable[[], bool] = lambda: True
    ) -> None:
        self._addresses = addresses
        self._new_token = token
        self._client = client
        self._runs = runs
        self._token = ""
        self._turn = asyncio.Lock()

    async def get(self, service: str, path: str, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of a GET. Raises Denied, Trouble."""
        answer = await self._patiently(service, lambda: self._request("GET", service, path, params=dict(params or {}), headers=headers))
        return msgspec.json.decode(answer.content)

    async def post(self, service: str, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON of a POST that may be repeated. Raises Denied, Trouble."""
        answer = await self._patiently(service, lambda: self._request("POST", service, path, json=dict(body)))
        return msgspec.json.decode(answer.content)

    async def post_lines(self, service: str, content: bytes, headers: Mapping[str, str]) -> bytes:
        """The NDJSON answer of `POST /v1/batch`. Raises Denied, Trouble."""
        sent = {"Content-Type": NDJSON, **headers}
        answer = await self._patiently(service, lambda: self._request("POST", service, "/v1/batch", content=content, headers=sent))
        return answer.content

    async def _patiently(self, service: str, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        pauses = {"wait_initial": FIRST_PAUSE, "wait_max": LONGEST_PAUSE, "wait_jitter": FIRST_PAUSE}
        try:
            async for attempt in stamina.retry_context(on=_wait_for, attempts=None, timeout=PATIENCE, **pauses):
                with attempt:
                    try:
                        return await ask()
                    except (Away, Trouble):
                        if not self._runs():
                            raise Stopped from None
                        raise
        except Away as away:
            raise Trouble(
                f"{service} 在 {PATIENCE:.0f} 秒内没有应答({away});请看 ./parkunion status,之后重新执行即可继续",
                f"{service} did not answer for {PATIENCE:.0f} s ({away}); see ./parkunion status, then run this again: it goes on",
            ) from away
        raise AssertionError("stamina ends with an answer or an exception")

    async def _request(self, method: str, service: str, path: str, **what: Any) -> httpx.Response:
        headers = dict(what.pop("headers", None) or {})
        for known in (True, False):
            token = await self._bearer(known)
            try:
                answer = await self._client.request(
                    method, self._addresses[service] + path, headers={**headers, "Authorization": f"Bearer {token}"}, **what
                )
            except httpx.TransportError as error:
                raise Away(type(error).__name__) from error
            if answer.status_code != 401 or not known:
                break
        if answer.status_code in AWAY:
            raise Away(f"HTTP {answer.status_code}", _seconds(answer.headers.get("Retry-After", "")))
        if answer.is_error:
            raise Denied(service, answer)
        return answer

    async def _bearer(self, known: bool) -> str:
        """The access token; a new one if there is none yet or the known one was refused."""
        refused = None if known else self._token
        async with self._turn:
            if not self._token or self._token == refused:
                self._token = await asyncio.to_thread(self._new_token)
            return self._token


def _wait_for(error: Exception) -> bool | timedelta:
    """Whether to ask again, and after how long if the service said so."""
    if isinstance(error, Away):
        return timedelta(seconds=min(error.after, LONGEST_PAUSE)) if error.after else True
    return False


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0


@asynccontextmanager
async def apis_of(addresses: Mapping[str, str], token: TokenSource, runs: Callable[[], bool] = lambda: True) -> AsyncIterator[Apis]:
    """The APIs at these base URLs, for as long as the context lasts."""
    stamina.instrumentation.set_on_retry_hooks([])  # it would log to stdout, where results go
    limits = httpx.Limits(max_connections=8, max_keepalive_connections=8)
    # Addresses are all on this machine: a proxy of the environment must not see them.
    async with httpx.AsyncClient(timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=5.0), limits=limits, trust_env=False) as client:
        yield Apis(addresses, token, client, runs)
