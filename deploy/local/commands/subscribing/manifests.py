"""`manifest verify`: compare what a receiver has stored with the signed manifest of a day, without a stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.local.errors import UserError
from deploy.local.stack import ask
from shared.manifests.received import Unreadable, events_in
from shared.manifests.verifying import Finding, verify

ADDRESSES = ("https://", "http://")


def register(app: typer.Typer) -> None:
    manifest = typer.Typer(no_args_is_help=True, help="每日清单:核对所收到的 / signed manifests of days: verify what was received")
    manifest.callback()(_group)
    manifest.command(
        "verify",
        help="离线核对收到的事件与签名清单;0 齐全且一致,1 有缺失或改动,2 参数或文件有误 / compare what was received with the signed manifest, "
        "offline; 0: complete and unaltered, 1: something is missing or altered, 2: an argument or a file is wrong",
    )(verify_)
    app.add_typer(manifest, name="manifest")


def _group() -> None:
    """Without this a group of one command would take that command's place."""


def verify_(
    file: Annotated[Path, typer.Argument(help="GET /v1/subscriptions/{id}/manifests/{day} 的应答 / the answer", metavar="FILE")],
    received: Annotated[
        Path, typer.Option(help="收到的事件:JSON 文件的文件夹,或 NDJSON / a folder of JSON files, or NDJSON", metavar="DIR|NDJSON")
    ],
    jwks: Annotated[str, typer.Option(help="公钥集 / the key set: /.well-known/jwks.json", metavar="FILE|URL")],
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / as JSON")] = False,
) -> None:
    answer, keys = _answer(file), _keys(jwks)
    try:
        findings = verify(answer, events_in(received), keys)
    except Unreadable as error:
        findings = [Finding("unreadable", None, None, error.zh, error.en)]
    except OSError as error:
        raise _unusable(received, error) from error
    if as_json:
        print(json.dumps({"findings": [one.body() for one in findings]}, ensure_ascii=False, indent=2))
    elif findings:
        print("\n".join(f"{one.code}: {one.zh} / {one.en}" for one in findings))
    else:
        print(f"齐全且未改动:{answer['count']} 个编号 / complete and unaltered: {answer['count']} numbers")
    if findings:
        raise typer.Exit(1)


def _answer(file: Path) -> Any:
    """The content of the file; None if it is no JSON, which `verify` reports."""
    try:
        return json.loads(file.read_bytes())
    except ValueError:
        return None
    except OSError as error:
        raise _unusable(file, error) from error


def _keys(place: str) -> dict[str, Any]:
    """The key set in a file or at an address. Raises UserError (exit 2)."""
    try:
        keys = ask(place)[1] if place.startswith(ADDRESSES) else json.loads(Path(place).read_bytes())
    except (OSError, ValueError) as error:
        raise _unusable(place, error) from error
    if not isinstance(keys, dict) or not isinstance(keys.get("keys"), list):
        raise UserError(f"{place}:不是公钥集(JWKS)", f"{place}: no key set (JWKS)", 2)
    return keys


def _unusable(place: object, error: Exception) -> UserError:
    return UserError(f"{place}:无法读取({error})", f"{place}: cannot be read: {error}", 2)
