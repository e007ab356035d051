"""`coverage`: the figures, their composition and their changes, from the API."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from deploy.local import stack as stacks
from deploy.local.coverage_table import coverage_table
from deploy.local.errors import UserError
from deploy.local.list_tables import list_table
from deploy.local.loading.api import Apis, apis_of
from deploy.local.stack import Stack

PAGE = 500
WIDTH = 160
"""Columns of a table if there is no terminal."""


class By(StrEnum):
    """The grouping of the rows."""

    district = "district"
    park = "park"
    industry = "industry"
    size = "size"
    ownership = "ownership"


class Sort(StrEnum):
    """The order of the enterprises behind a figure."""

    workers = "workers"
    days_waited = "days_waited"
    contribution = "contribution"
    name = "name"


class Lang(StrEnum):
    """The language of headings and codes."""

    zh = "zh"
    en = "en"


class Format(StrEnum):
    """The output format."""

    table = "table"
    csv = "csv"
    json = "json"


DEFAULT_LANG = Lang.zh
FormatOption = Annotated[Format, typer.Option("--format", help="输出格式 / form of the output")]
JsonOption = Annotated[bool, typer.Option("--json", help="即 --format json / the same as --format json")]
LangOption = Annotated[Lang, typer.Option(help="CSV 表头与代码的语言 / language of CSV headings and of codes")]


def register(app: typer.Typer) -> None:
    app.command(help="覆盖情况 / coverage: figures, what makes them up, why they changed")(coverage)


def coverage(
    context: typer.Context,
    area: Annotated[str | None, typer.Option(help="区域代码 / code of an area; default: all", metavar="CODE")] = None,
    by: Annotated[By | None, typer.Option(help="分组 / rows by")] = None,
    as_of: Annotated[str | None, typer.Option(help="业务日期 / business day; default: today", metavar="DATE")] = None,
    known_at: Annotated[
        str | None, typer.Option(help="截至此日所知 / as known at the end of this day; default: today", metavar="DATE")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="由哪些企业构成 / the enterprises that make --measure up")] = False,
    measure: Annotated[str | None, typer.Option(help="指标 / a figure, such as members or unit_founding_rate_all")] = None,
    group: Annotated[str | None, typer.Option(help="--by 之一组 / with --explain and --by: one row's code")] = None,
    enterprise: Annotated[str | None, typer.Option(help="与 --explain 同用:其事件 / with --explain: its events", metavar="ID")] = None,
    changes: Annotated[bool, typer.Option("--changes", help="为何变化 / why it changed between --known-from and --known-to")] = False,
    known_from: Annotated[str | None, typer.Option(help="先前所知之日 / the earlier day of knowledge", metavar="DATE")] = None,
    known_to: Annotated[str | None, typer.Option(help="之后所知之日 / the later one; default: today", metavar="DATE")] = None,
    search: Annotated[
        str | None, typer.Option(help="与 --explain 同用:名称或信用代码 / with --explain: a part of name or credit code")
    ] = None,
    sort: Annotated[Sort, typer.Option(help="与 --explain 同用:排序 / with --explain: the order")] = Sort.workers,
    form: FormatOption = Format.table,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,
) -> None:
    form = form_of(form, as_json)
    if explain and changes:
        raise UserError("--explain 与 --changes 只能取其一", "say either --explain or --changes", 2)
    if explain and measure is None:
        raise UserError("--explain 需要 --measure", "--explain needs --measure", 2)
    if changes and known_from is None:
        raise UserError("--changes 需要 --known-from", "--changes needs --known-from", 2)
    days = {"--as-of": as_of, "--known-at": known_at, "--known-from": known_from, "--known-to": known_to}
    for option, day in days.items():
        require_day(option, day)
    common = {"area": area, "as_of": as_of}
    if changes:
        path, more = "/v1/coverage/changes", {"known_from": known_from, "known_to": known_to, "measure": measure}
    else:
        path, more = "/v1/coverage", {"by": by.value if by else None, "known_at": known_at}
    if explain:
        path, more = "/v1/coverage/explain", {**more, "measure": measure, "group": group, "enterprise": enterprise, "q": search}
        if enterprise is None:
            more |= {"sort": sort.value}
    params = {name: value for name, value in (common | more).items() if value is not None}
    stack = stacks.load(context.obj)
    if form is Format.csv:
        print(asyncio.run(ask_csv(stack, path, params, lang)), end="")
    else:
        names = asyncio.run(ask_names(stack, lang)) if form is Format.table and path != "/v1/coverage" else {}
        _write(asyncio.run(ask_pages(stack, path, params, lang)), form, names)


def form_of(form: Format, as_json: bool) -> Format:
    """The form that `--format` and `--json` ask for. Raises UserError (exit 2) if they differ."""
    if as_json and form is Format.csv:
        raise UserError("--json 与 --format csv 只能取其一", "say either --json or --format csv", 2)
    return Format.json if as_json else form


def require_day(option: str, day: str | None) -> None:
    """Raise UserError (exit 2) unless the day is None or a valid YYYY-MM-DD."""
    try:
        if day is None or date.fromisoformat(day).isoformat() == day:
            return
        raise ValueError(day)
    except ValueError as error:
        raise UserError(
            f"{option} 无法识别 {day}:日期须写作 YYYY-MM-DD 且真实存在",
            f"{option} cannot read {day}: a date is written YYYY-MM-DD and exists in the calendar",
            2,
        ) from error


async def ask_pages(stack: Stack, path: str, params: dict[str, Any], lang: Lang) -> dict[str, Any]:
    """The answer of a route, of a list with the items of all its pages."""
    async with apis_of({"metrics": stack.url("metrics")}, stack.token) as apis:
        if path == "/v1/coverage":
            return await ask_coverage(apis, params)
        return await _all_pages(apis, path, params, {"Accept-Language": lang.value})


async def ask_names(stack: Stack, lang: Lang) -> dict[str, str]:
    """{measure: its name}, by its definition."""
    found = await ask_one(stack, "/v1/definitions", {})
    return {one["measure"]: one[f"name_{lang.value}"] for one in found["items"]}


async def ask_one(stack: Stack, path: str, params: dict[str, Any]) -> dict[str, Any]:
    """The answer of a route of metrics."""
    async with apis_of({"metrics": stack.url("metrics")}, stack.token) as apis:
        answer: dict[str, Any] = await apis.get("metrics", path, params)
        return answer


async def ask_coverage(apis: Apis, params: dict[str, Any]) -> dict[str, Any]:
    """The answer of GET /v1/coverage."""
    answer: dict[str, Any] = await apis.get("metrics", "/v1/coverage", params)
    return answer


async def _all_pages(apis: Apis, path: str, params: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    """The answer with the items of all its pages."""
    answer: dict[str, Any] = await apis.get("metrics", path, {**params, "limit": PAGE}, headers)
    page = answer
    while page.get("next"):
        page = await apis.get("metrics", path, {**params, "limit": PAGE, "after": page["next"]}, headers)
        for name in ("events",) if "events" in answer else ("items",):
            answer[name] += page[name]
    answer["next"] = None
    return answer


def write_json(answer: dict[str, Any]) -> None:
    """An answer as indented JSON."""
    print(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())


def _write(answer: dict[str, Any], form: Format, names: Mapping[str, str]) -> None:
    if form is Format.json:
        write_json(answer)
        return
    console = result_console()
    rows = answer.get("events") or answer.get("items") or []
    console.print(coverage_table(answer, width=console.width) if "rows" in answer else list_table(answer, rows, names))


async def ask_csv(stack: Stack, path: str, params: dict[str, Any], lang: Lang) -> str:
    """The complete list of a route as CSV: the same form that pages download."""
    async with apis_of({"metrics": stack.url("metrics")}, stack.token) as apis:
        return await apis.text("metrics", path, {**params, "format": "csv"}, {"Accept-Language": lang.value})


def result_console() -> Console:
    """The console of results: as wide as the terminal or COLUMNS, else WIDTH."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    return console
