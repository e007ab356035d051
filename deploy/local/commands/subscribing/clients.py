"""`client`: clients of the local issuer, each with a key of its own."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.table import Table

from deploy.local import stack as stacks
from deploy.local.commands.coverage import result_console
from deploy.local.commands.tokens import EVERYTHING, areas_of, scopes_of
from deploy.local.errors import NotRunningError
from deploy.local.folder import Folder
from deploy.local.servers.clients import Clients
from deploy.local.servers.issuer import LONGEST_TTL

DEFAULT_SCOPES = ("subscriptions:use",)
"""What a bureau needs. Its areas come from its grants, not from its token."""

Name = Annotated[str, typer.Argument(help="字母、数字、.、-、_,至多 64 个 / letters, digits, '.', '-', '_', 64 at most")]


def register(app: typer.Typer) -> None:
    client = typer.Typer(
        no_args_is_help=True, help="令牌签发者的客户端,如劳动部门的系统 / clients of the local issuer, such as a bureau's system"
    )
    client.command(help="添加客户端,打印其私钥文件;立即生效 / add a client and print the file of its private key; in force at once")(add)
    client.command("list", help="列出客户端 / list the clients, with scopes and areas")(list_)
    client.command(
        help="删除客户端,不再为其签发令牌 / remove a client: no more tokens for it; issued ones live until they expire, its grants stay"
    )(remove)
    app.add_typer(client, name="client")


def add(
    context: typer.Context,
    name: Name,
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"权限,可多次,默认 {DEFAULT_SCOPES[0]} / scope, several times; default: {DEFAULT_SCOPES[0]}", metavar="SCOPE"),
    ] = None,
    area: Annotated[
        list[str] | None,
        typer.Option(
            help="区域代码,可多次;默认全部,仅有 subscriptions:use 时默认无(由授权决定) / area code, several times; default: all, and none for subscriptions:use alone, whose areas come from grants",
            metavar="CODE",
        ),
    ] = None,
) -> None:
    scopes = scopes_of(scope) or list(DEFAULT_SCOPES)
    areas = areas_of(area) or ([] if set(scopes) <= set(DEFAULT_SCOPES) else [EVERYTHING])
    print(_clients(context).add(name, scopes, areas))
    print(f"已添加 / added: {name} ({' '.join(scopes)}; {' '.join(areas) or '-'})", file=sys.stderr)


def list_(context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / as JSON")] = False) -> None:
    clients = _clients(context).all().values()
    if as_json:
        items = [{"name": client.name, "scopes": client.scopes, "areas": client.areas} for client in clients]
        print(json.dumps({"items": items}, indent=2))
        return
    if not clients:
        print("没有客户端 / there is no client")
        return
    table = Table()
    for heading in ("name 名称", "scopes 权限", "areas 区域"):
        table.add_column(heading, overflow="fold")
    for client in clients:
        table.add_row(client.name, " ".join(client.scopes), " ".join(client.areas) or "-")
    result_console().print(table)


def remove(context: typer.Context, name: Name) -> None:
    _clients(context).remove(name)
    days = LONGEST_TTL // 86400
    print(
        f"已删除 {name}:不再签发令牌,已签发的到期为止有效(至多 {days} 天);其授权不变,如需停止请撤销 / removed {name}: no more tokens; "
        f"issued ones live until they expire ({days} days at most); its grants stay, revoke them to end deliveries",
        file=sys.stderr,
    )


def _clients(context: typer.Context) -> Clients:
    """Those of the folder in use. Raises NotRunningError if no stack was ever started in it."""
    folder = Folder(stacks.folder_in_use(context.obj))
    if not folder.settings.is_file():
        raise NotRunningError(folder.path)
    return Clients(folder)
