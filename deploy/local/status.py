"""The answer of `status --json`; its form is fixed."""

from __future__ import annotations

import asyncio
import re
from typing import Any, TypedDict
from zoneinfo import ZoneInfo

import psutil

from deploy.local.stack import Stack
from shared.process.clock import utc_now

PASSWORD = re.compile(r"^(\w+://[^:@/]+:)[^@]*@")
"""A DSN up to its password, then the password."""


class ServiceStatus(TypedDict):
    """Figures are None while the service does not answer."""

    url: str
    roles: dict[str, list[int]]
    ready: bool
    lag_events: int | None
    lag_seconds: float | None
    outbox: int | None
    held: int | None


class PostgresStatus(TypedDict):
    pid: int | None
    dsn: dict[str, str]


class KafkaStatus(TypedDict):
    pid: int | None
    bootstrap: str


class Status(TypedDict):
    data: str
    ready: bool
    today: str
    services: dict[str, ServiceStatus]
    postgres: PostgresStatus
    kafka: KafkaStatus
    issuer: str
    jwks: str
    dashboard: str


def status_of(stack: Stack) -> Status:
    """Query the services in the order of an event's path: if none has a backlog, all earlier events are counted."""
    answers = {name: stack.readiness(name) for name in stack.services}
    content = stack.content
    services = {name: _service(content["services"][name], answers[name]) for name in answers}
    ready = all(service["ready"] and all(service["roles"].values()) for service in services.values())
    return {
        "data": str(stack.data),
        "ready": bool(ready and content["postgres"]["pid"] and content["kafka"]["pid"]),
        "today": today_of(stack),
        "services": services,
        "postgres": {"pid": content["postgres"]["pid"], "dsn": {name: stack.dsn(name) for name in services}},
        "kafka": content["kafka"],
        "issuer": content["issuer"],
        "jwks": content["jwks"],
        "dashboard": stack.dashboard(),
    }


def without_passwords(found: Status) -> Status:
    """The same answer with `***` in place of each password of a DSN."""
    dsns = {name: PASSWORD.sub(r"\1***@", dsn) for name, dsn in found["postgres"]["dsn"].items()}
    return {**found, "postgres": {**found["postgres"], "dsn": dsns}}


def _service(written: dict[str, Any], answer: dict[str, Any]) -> ServiceStatus:
    roles = {role: [pid for pid in pids if psutil.pid_exists(pid)] for role, pids in written["roles"].items()}
    return {
        "url": written["url"],
        "roles": roles,
        "ready": bool(answer.get("ready")),
        "lag_events": answer.get("lag_events"),
        "lag_seconds": answer.get("lag_seconds"),
        "outbox": answer.get("outbox"),
        "held": answer.get("held"),
    }


def failing_checks(stack: Stack) -> list[str]:
    """A line for each check that is not "ok": a relay may have stopped while its service is ready for commands."""
    answers = {service: stack.readiness(service).get("checks", {}) for service in stack.services}
    return [f"{service}: {check}: {state}" for service, checks in answers.items() for check, state in checks.items() if state != "ok"]


def today_of(stack: Stack) -> str:
    """The deployment's date (ISO) by its own clock; by this machine's if no database answers."""
    zone = ZoneInfo(stack.content["zone"])
    return asyncio.run(_today(stack, zone))


async def _today(stack: Stack, zone: ZoneInfo) -> str:
    import asyncpg

    for service in stack.services:
        try:
            connection = await asyncpg.connect(stack.dsn(service), timeout=3)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            continue
        try:
            now = await connection.fetchval("SELECT parkunion_now()")
        finally:
            await connection.close()
        return str(now.astimezone(zone).date())
    return str(utc_now().astimezone(zone).date())
