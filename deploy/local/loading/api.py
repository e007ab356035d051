"""The public APIs of a running stack, with retries: a service that is briefly unavailable gets the same request again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import stamina

from deploy.local.errors import UserError

WAIT_TIMEOUT = 120.0
"""Seconds of retries while a service is unavailable, or does not know a referenced id yet."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
ANSWER_TIMEOUT = 90.0
UNAVAILABLE = frozenset({429, 500, 502, 503, 504})
IMPORT_HEADER = "X-Parkunion-Import"
NDJSON = "application/x-ndjson"

TokenSource = Callable[[], str]


class UnavailableError(Exception):
    """The service does not answer, or not now; `retry_after` is the pause that it asks for (seconds)."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class StackStoppedError(UserError):
    """The stack was stopped during an import."""

    def __init__(self) -> None:
        super().__init__(
            "平台已停止,已应答的行均已保存;启动平台后重新执行即可继续",
            "the stack was stopped; what was answered is kept; start it and run this again: it goes on",
        )


class RequestDeniedError(UserError):
    """The service refuses the request as a whole."""

    def __init__(self, service: str, answer: httpx.Response) -> None:
        self.status = answer.status_code
        self.problem = _problem(answer)
        errors = self.problem.get("errors") or [{}]
        zh = "；".join(_message(error, "zh") for error in errors) or str(answer.status_code)
        en = "; ".join(_message(error, "en") for error in errors) or str(answer.status_code)
        super().__init__(f"{service} 拒绝了请求({answer.status_code}):{zh}", f"{service} refused ({answer.status_code}): {en}")


def _message(error: Mapping[str, Any], language: str) -> str:
    field = f"{error['field']}: " if error.get("field") else ""
    return field + str(error.get(f"message_{language}", ""))


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


class Apis:
    """Requests to the services by name. `addresses` are base URLs; `token` gets a new access token (it may block). Retries end with `StackStoppedError`
    when `stack_runs` is false."""

    def __init__(
        self, addresses: Mapping[str, str], token: TokenSource, client: httpx.AsyncClient, stack_runs: Callable[[], bool] = lambda: True
    ) -> None:
        self._addresses = addresses
        self._new_token = token
        self._client = client
        self._stack_runs = stack_runs
        self._token = ""
        self._token_lock = asyncio.Lock()

    async def get(self, service: str, path: str, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of a GET. Raises RequestDeniedError, UserError."""
        answer = await self._retry(service, lambda: self._request("GET", service, path, params=dict(params or {}), headers=headers))
        return msgspec.json.decode(answer.content)

    async def exists(self, service: str, path: str) -> bool:
        """Whether a GET finds something. Raises RequestDeniedError, UserError."""
        try:
            await self.get(service, path)
        except RequestDeniedError as denied:
            # An id that is none is answered 422.
            if denied.status in (404, 422):
                return False
            raise
        return True

    async def text(self, service: str, path: str, params: Mapping[str, Any], headers: Mapping[str, str]) -> str:
        """The text of a GET, with its byte order mark. Raises RequestDeniedError, UserError."""
        answer = await self._retry(service, lambda: self._request("GET", service, path, params=dict(params), headers=headers))
        return answer.content.decode()

    async def post(self, service: str, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON of an idempotent POST. Raises RequestDeniedError, UserError."""
        answer = await self._retry(service, lambda: self._request("POST", service, path, json=dict(body)))
        return msgspec.json.decode(answer.content)

    async def delete(self, service: str, path: str, params: Mapping[str, Any]) -> bool:
        """Whether a DELETE found something. Raises RequestDeniedError, UserError."""
        try:
            await self._retry(service, lambda: self._request("DELETE", service, path, params=dict(params)))
        except RequestDeniedError as denied:
            if denied.status == 404:
                return False
            raise
        return True

    async def post_lines(self, service: str, content: bytes, headers: Mapping[str, str]) -> bytes:
        """The NDJSON answer of `POST /v1/batch`. Raises RequestDeniedError, UserError."""
        sent = {"Content-Type": NDJSON, **headers}
        answer = await self._retry(service, lambda: self._request("POST", service, "/v1/batch", content=content, headers=sent))
        return answer.content

    async def _retry(self, service: str, request: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        pauses = {"wait_initial": FIRST_PAUSE, "wait_max": LONGEST_PAUSE, "wait_jitter": FIRST_PAUSE}
        try:
            async for attempt in stamina.retry_context(on=_wait_for, attempts=None, timeout=WAIT_TIMEOUT, **pauses):
                with attempt:
                    try:
                        return await request()
                    except (UnavailableError, UserError):
                        if not self._stack_runs():
                            raise StackStoppedError from None
                        raise
        except UnavailableError as error:
            raise UserError(
                f"{service} 在 {WAIT_TIMEOUT:.0f} 秒内没有应答({error});请看 ./parkunion status,之后重新执行即可继续",
                f"{service} did not answer for {WAIT_TIMEOUT:.0f} s ({error}); see ./parkunion status, then run this again: it goes on",
            ) from error
        raise AssertionError("stamina ends with an answer or an exception")

    async def _request(self, method: str, service: str, path: str, **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", None) or {})
        for may_reuse in (True, False):
            token = await self._bearer(may_reuse)
            try:
                answer = await self._client.request(
                    method, self._addresses[service] + path, headers={**headers, "Authorization": f"Bearer {token}"}, **options
                )
            except httpx.TransportError as error:
                raise UnavailableError(type(error).__name__) from error
            if answer.status_code != 401 or not may_reuse:
                break
        if answer.status_code in UNAVAILABLE:
            raise UnavailableError(f"HTTP {answer.status_code}", _seconds(answer.headers.get("Retry-After", "")))
        if answer.is_error:
            raise RequestDeniedError(service, answer)
        return answer

    async def _bearer(self, may_reuse: bool) -> str:
        """The access token; a new one if there is none yet, or if the last one may not be reused because it was refused."""
        refused = None if may_reuse else self._token
        async with self._token_lock:
            if not self._token or self._token == refused:
                self._token = await asyncio.to_thread(self._new_token)
            return self._token


def _wait_for(error: Exception) -> bool | timedelta:
    """Whether to retry, and after which pause if the service stated one."""
    if isinstance(error, UnavailableError):
        return timedelta(seconds=min(error.retry_after, LONGEST_PAUSE)) if error.retry_after else True
    return False


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0


@asynccontextmanager
async def apis_of(addresses: Mapping[str, str], token: TokenSource, stack_runs: Callable[[], bool] = lambda: True) -> AsyncIterator[Apis]:
    """The APIs at these base URLs, for as long as the context lasts."""
    stamina.instrumentation.set_on_retry_hooks([])  # the default hook logs to stdout, where results go
    limits = httpx.Limits(max_connections=8, max_keepalive_connections=8)
    # All addresses are on this machine, so a proxy of the environment is not used.
    async with httpx.AsyncClient(timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=5.0), limits=limits, trust_env=False) as client:
        yield Apis(addresses, token, client, stack_runs)
