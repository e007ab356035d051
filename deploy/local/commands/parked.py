"""`parked`: list, show and retry the held streams of the reading services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.table import Table

from deploy.local import stack as stacks
from deploy.local.commands.coverage import result_console
from deploy.local.errors import UserError
from deploy.local.loading.api import Apis, apis_of
from deploy.local.stack import Stack
from shared.contracts.services import SERVICES

READERS = tuple(service.name for service in SERVICES.values() if service.reads)
PAGE = 500
WAIT_TIMEOUT = 10.0
"""Seconds to wait for the outcome of a retry; a reader checks once a second."""
WHAT_NEXT = {
    "early": ("等待缺失的事件;若不再到来:reconcile", "waits for a missing event; if it never comes: reconcile"),
    "unreadable": ("升级本服务后重试,或由来源撤销", "update this service and retry, or have the source withdraw it"),
    "refused": ("修正规则后重试,或由来源撤销", "retry after a release that takes it, or have the source withdraw it"),
    "late": (
        "该日已关闭:由来源撤销并重新登记;更正或撤销事件则 relay republish、rebuild",
        "its day was closed: have the source withdraw it and say it anew; a correction or a withdrawal: relay republish, rebuild",
    ),
    "placeless": ("没有任何来源能撤销它:relay republish 重写主题", "no source can withdraw it: relay republish writes the topic again"),
    "fork": ("同一序号有两个事件:reconcile、relay republish", "two events have one sequence: reconcile, relay republish"),
}

Json = Annotated[bool, typer.Option("--json", help="输出 JSON / as JSON")]


def register(app: typer.Typer) -> None:
    parked = typer.Typer(no_args_is_help=True, help="搁置的事件 / held events")
    parked.command("list", help="哪些事件流停住了(有则退出码为 1)/ which streams stand still (exit code 1 if any)")(list_)
    parked.command(help="一个事件流中搁置的事件 / the held events of a stream")(show)
    parked.command(help="重试 / try again: SUBJECT or --all")(retry)
    app.add_typer(parked, name="parked")


def list_(context: typer.Context, as_json: Json = False) -> None:
    items = asyncio.run(_listed(stacks.load(context.obj)))
    if as_json:
        _print({"items": items})
    elif not items:
        print("没有搁置的事件 / nothing is held")
    else:
        result_console().print(_table(items, _zone(context)))
    raise typer.Exit(1 if items else 0)


def show(
    context: typer.Context, subject: Annotated[str, typer.Argument(help="enterprise/<id>, area/<code> …")], as_json: Json = False
) -> None:
    items = asyncio.run(_shown(stacks.load(context.obj), subject))
    if as_json:
        _print({"items": items})
        return
    for item in items:
        head = f"{item['service']}  {item['source']}  {item['subject']}  {item['sequence']}  {item['kind']}  {reason_of(item)}"
        print(head.rstrip())
        print("  " + (item["raw"] or msgspec.json.encode(item["event"]).decode()))


def retry(
    context: typer.Context,
    subject: Annotated[str | None, typer.Argument(help="enterprise/<id>, area/<code> …")] = None,
    everything: Annotated[bool, typer.Option("--all", help="全部 / all of them")] = False,
    as_json: Json = False,
) -> None:
    if (subject is None) != everything:
        raise UserError("请给出 SUBJECT 或 --all 之一", "say either SUBJECT or --all", 2)
    asked, left = asyncio.run(_retried(stacks.load(context.obj), subject))
    if as_json:
        _print({"asked": asked, "items": left})
    else:
        print(f"已重试 {asked} 个事件流,仍停住 {len(left)} 个 / {asked} streams tried again, {len(left)} still stand")
        if left:
            result_console().print(_table(left, _zone(context)))
    raise typer.Exit(1 if left else 0)


async def _listed(stack: Stack, subject: str | None = None) -> list[dict[str, Any]]:
    async with _apis(stack) as apis:
        return await _streams(apis, stack, subject)


async def _shown(stack: Stack, subject: str) -> list[dict[str, Any]]:
    found = []
    async with _apis(stack) as apis:
        for one in await _streams(apis, stack, subject):
            place = {"source": one["source"], "subject": one["subject"]}
            events = await pages(apis, one["service"], "/v1/parked/events", place)
            found += [{"service": one["service"], **place, **event} for event in events]
    if not found:
        raise UserError(f"{subject} 没有搁置的事件", f"nothing of {subject} is held", 1)
    return found


async def _retried(stack: Stack, subject: str | None) -> tuple[int, list[dict[str, Any]]]:
    """The number of retried streams, and those still held after all were retried, or after WAIT_TIMEOUT."""
    asked, deadline = 0, time.monotonic() + WAIT_TIMEOUT
    async with _apis(stack) as apis:
        if subject is not None and not await _streams(apis, stack, subject):
            raise UserError(f"{subject} 没有搁置的事件", f"nothing of {subject} is held", 1)
        since: dict[str, str] = {}
        for service in _readers(stack):
            answer = await apis.post(service, "/v1/parked/retry", {} if subject is None else {"subject": subject})
            asked += answer["asked"]
            since[service] = answer["at"]
        left = await _streams(apis, stack, subject)
        while any(_not_tried(one, since[one["service"]]) for one in left) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            left = await _streams(apis, stack, subject)
    return asked, left


def _not_tried(one: dict[str, Any], since: str) -> bool:
    """Whether a retry is possible and did not happen since `since`. Both instants have the same format."""
    return one["kind"] in ("refused", "unreadable") and (one["tried_at"] or "") < since


def _apis(stack: Stack) -> Any:
    return apis_of({service: stack.url(service) for service in _readers(stack)}, stack.token)


def _readers(stack: Stack) -> list[str]:
    return [service for service in stack.services if service in READERS]


async def _streams(apis: Apis, stack: Stack, subject: str | None) -> list[dict[str, Any]]:
    wanted = {} if subject is None else {"subject": subject}
    return [one for service in _readers(stack) for one in await pages(apis, service, "/v1/parked", wanted)]


async def pages(apis: Apis, service: str, path: str, params: Mapping[str, Any] = MappingProxyType({})) -> list[dict[str, Any]]:
    """The items of every page of a list."""
    page = await apis.get(service, path, {**params, "limit": PAGE})
    items: list[dict[str, Any]] = page["items"]
    while page["next"]:
        page = await apis.get(service, path, {**params, "limit": PAGE, "after": page["next"]})
        items += page["items"]
    return items


def _zone(context: typer.Context) -> ZoneInfo:
    return ZoneInfo(stacks.load(context.obj).content["zone"])


def _table(items: list[dict[str, Any]], zone: ZoneInfo) -> Table:
    """Instants are in the deployment's zone, as on the page /held; --json has UTC."""
    table = Table(caption="withdraw: POST /v1/withdrawals")
    for name in ("service 服务", "subject 事件流", "kind 原因", "sequence 序号", "waiting 等待", "since 自", "reason 说明", "next 怎么办"):
        table.add_column(name, overflow="fold")
    for one in items:
        subject = one["subject"] or one["place"]
        what = " / ".join(WHAT_NEXT[one["kind"] if one["subject"] else "placeless"])
        table.add_row(
            one["service"],
            subject,
            one["kind"],
            str(one["sequence"]),
            str(one["waiting"]),
            local_instant(one["since"], zone),
            reason_of(one),
            what,
        )
    return table


def reason_of(one: dict[str, Any]) -> str:
    """Why an event is held, in Chinese and in English, and the detail: 职工人数须在 0 与 10⁹ 之间 / a headcount lies between 0 and 10⁹ (-5)."""
    reason = one.get("reason")
    if reason is None:
        return one["error"] or ""
    if reason["code"] is None:
        return str(reason["detail"])
    detail = f" ({reason['detail']})" if reason["detail"] else ""
    return f"{reason['zh']} / {reason['en']}{detail}"


def local_instant(instant: str, zone: ZoneInfo) -> str:
    """An instant in the deployment's zone: 2026-11-27 07:55:31."""
    return f"{datetime.fromisoformat(instant).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _print(answer: dict[str, Any]) -> None:
    print(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
