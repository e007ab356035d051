"""`token` and `dashboard`: how a person or a script gets in."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.local import stack as stacks
from deploy.local.issuer import DEFAULT_TTL


def register(app: typer.Typer) -> None:
    app.command(help="打印访问令牌 / print an access token")(token)
    app.command(help="打印带一次性登录码的看板地址 / print the dashboard's address with a one-time code")(dashboard)


def token(
    context: typer.Context,
    scope: Annotated[
        list[str] | None, typer.Option(help="权限,可多次 / scope, may be said several times; default: all", metavar="SCOPE")
    ] = None,
    area: Annotated[list[str] | None, typer.Option(help="区域代码,可多次 / area code, several times; default: all", metavar="CODE")] = None,
    ttl: Annotated[int, typer.Option(help="有效秒数 / seconds that it is good for", metavar="S")] = DEFAULT_TTL,
) -> None:
    scopes = [word for said in scope or [] for word in said.replace(",", " ").split()]
    print(stacks.load(context.obj).token(scopes, area or [], ttl))


def dashboard(context: typer.Context) -> None:
    print(stacks.load(context.obj).dashboard_login())
