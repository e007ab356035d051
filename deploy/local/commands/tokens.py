"""`token`, `dashboard`, `portal` and `cases`: access for scripts and persons."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.local import stack as stacks
from deploy.local.errors import UserError
from deploy.local.servers.clients import Clients
from deploy.local.servers.issuer import DEFAULT_TTL, LONGEST_TTL
from shared.contracts.services import SCOPES
from shared.http.forms import AREA_CODE

EVERYTHING = "*"


def register(app: typer.Typer) -> None:
    app.command(help="打印访问令牌 / print an access token")(token)
    app.command(help="打印带一次性登录码的看板地址 / print the dashboard's address with a one-time code")(dashboard)
    app.command(help="打印带一次性登录码的订阅门户地址 / print the address of the portal of subscriptions with a one-time code")(portal)
    app.command(help="打印带一次性登录码的维权办案页面地址 / print the address of the pages of cases with a one-time code")(cases)


def token(
    context: typer.Context,
    scope: Annotated[
        list[str] | None, typer.Option(help="权限,可多次 / scope, may be said several times; default: all", metavar="SCOPE")
    ] = None,
    area: Annotated[list[str] | None, typer.Option(help="区域代码,可多次 / area code, several times; default: all", metavar="CODE")] = None,
    ttl: Annotated[int, typer.Option(help="有效秒数 / seconds that it is good for", metavar="S")] = DEFAULT_TTL,
    client: Annotated[
        str | None,
        typer.Option(
            help="以 client add 添加的客户端的名义 / of a client that `client add` added; scopes and areas within its own", metavar="NAME"
        ),
    ] = None,
) -> None:
    scopes, areas = scopes_of(scope), areas_of(area)
    if not 1 <= ttl <= LONGEST_TTL:
        raise UserError(f"--ttl 须为 1 至 {LONGEST_TTL} 秒", f"--ttl must be 1 to {LONGEST_TTL} seconds", 2)
    stack = stacks.load(context.obj)
    if client is not None and (beyond := Clients(stack.folder).get(client).beyond(scopes, areas)):
        words = " ".join(beyond)
        raise UserError(f"客户端 {client} 未被授予:{words}", f"the client {client} was not given: {words}", 2)
    print(stack.token(scopes, areas, ttl, client))


def scopes_of(values: list[str] | None) -> list[str]:
    """The values of `--scope`. Raises UserError (exit 2)."""
    scopes = _words(values, "--scope")
    if unknown := sorted(set(scopes) - set(SCOPES)):
        known = " ".join(SCOPES)
        raise UserError(f"没有权限 {' '.join(unknown)};可选:{known}", f"no such scope: {' '.join(unknown)}; there are {known}", 2)
    return scopes


def areas_of(values: list[str] | None) -> list[str]:
    """The values of `--area`. Raises UserError (exit 2)."""
    areas = _words(values, "--area")
    if wrong := [code for code in areas if code != EVERYTHING and not AREA_CODE.fullmatch(code)]:
        raise UserError(f"--area 不是区域代码:{wrong[0]}", f"--area is no code of an area: {wrong[0]}", 2)
    return areas


def _words(values: list[str] | None, option: str) -> list[str]:
    """The values of a repeatable option, also separated by commas or spaces. An empty value, such as an unset variable, is an error: it
    would otherwise grant everything."""
    found = [word for text in values or [] for word in text.replace(",", " ").split()]
    if values and (not found or not all(text.strip(" ,") for text in values)):
        raise UserError(f"{option} 为空", f"{option} is empty", 2)
    return found


def dashboard(context: typer.Context) -> None:
    print(stacks.load(context.obj).dashboard_login())


def portal(
    context: typer.Context,
    client: Annotated[
        str | None,
        typer.Argument(
            help="以 client add 添加的客户端的名义;缺省为工会管理方 / as a client that `client add` added; default: as the federation",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
) -> None:
    print(stacks.load(context.obj).portal_login(client))


def cases(
    context: typer.Context,
    client: Annotated[
        str | None,
        typer.Argument(
            help="以 client add 添加的客户端的名义;缺省为全部权限与区域 / as a client that `client add` added; default: all scopes and areas",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
) -> None:
    print(stacks.load(context.obj).cases_login(client))
