"""`enterprise`: one enterprise, its unions or since when it has none, and every fact about it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

import typer

from deploy.local import stack as stacks
from deploy.local.commands.coverage import (
    DEFAULT_LANG,
    Format,
    FormatOption,
    JsonOption,
    LangOption,
    ask_csv,
    ask_one,
    ask_pages,
    form_of,
    require_day,
    result_console,
    write_json,
)
from deploy.local.list_tables import enterprise_lines, list_table


def register(app: typer.Typer) -> None:
    app.command(help="一家企业 / an enterprise: its union, and every fact about it")(enterprise)


def enterprise(
    context: typer.Context,
    enterprise_id: Annotated[str, typer.Argument(help="企业标识 / the enterprise's id", metavar="ID")],
    as_of: Annotated[str | None, typer.Option(help="业务日期 / business day; default: today", metavar="DATE")] = None,
    known_at: Annotated[
        str | None, typer.Option(help="截至此日所知 / as known at the end of this day; default: today", metavar="DATE")
    ] = None,
    form: FormatOption = Format.table,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,
) -> None:
    form = form_of(form, as_json)
    params = {name: value for name, value in (("as_of", as_of), ("known_at", known_at)) if value is not None}
    for name, day in params.items():
        require_day(f"--{name.replace('_', '-')}", day)
    stack, path = stacks.load(context.obj), f"/v1/enterprises/{quote(enterprise_id, safe='')}"
    if form is Format.csv:
        print(asyncio.run(ask_csv(stack, f"{path}/facts", params, lang)), end="")
        return
    found: dict[str, Any] = asyncio.run(ask_one(stack, path, params))
    facts = asyncio.run(ask_pages(stack, f"{path}/facts", params, lang))
    if form is Format.json:
        write_json({**found, "facts": facts["items"]})
        return
    console = result_console()
    for line in enterprise_lines(found):
        console.print(line, markup=False, highlight=False)
    console.print(list_table(facts, facts["items"]))
