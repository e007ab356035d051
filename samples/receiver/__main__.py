"""`python -m samples.receiver`: receive the events of a subscription on this machine."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import uvicorn

from samples.receiver.app import Options, app_of
from samples.receiver.signatures import TOLERANCE, secret_of

JWKS_PATH = "/.well-known/jwks.json"


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    found = argparse.ArgumentParser(prog="python -m samples.receiver", description="示例接收端 / a sample receiver of a bureau's events")
    found.add_argument("--port", type=int, required=True, help="监听端口;事件发往 /events / port to listen on; events go to /events")
    found.add_argument("--host", default="127.0.0.1", help="监听地址,默认 127.0.0.1 / address to listen on")
    found.add_argument("--jwks", metavar="URL", help="服务的公钥集,用于 v1a / the service's key set, for v1a: …/.well-known/jwks.json")
    found.add_argument(
        "--secret-file", type=Path, action="append", default=[], metavar="FILE",
        help="v1 的密钥(whsec_…)所在文件,可多次 / file with a secret of v1 (whsec_…); several times",
    )  # fmt: skip
    found.add_argument(
        "--subscription", action="append", default=[], metavar="ID",
        help="只接收这些订阅,可多次;默认该服务签名的全部 / take only these subscriptions; default: all that the service signs",
    )  # fmt: skip
    found.add_argument("--service", metavar="URL", help="服务地址,默认取自 --jwks / address of the service; default: that of --jwks")
    found.add_argument(
        "--token-command", metavar="COMMAND",
        help="打印访问令牌的命令;没有它就不补缺号,也不核对清单 / prints an access token; without it gaps are not asked for and manifests not checked",
    )  # fmt: skip
    found.add_argument(
        "--database", type=Path, default=Path("received.sqlite"), metavar="FILE", help="默认 received.sqlite / default: received.sqlite"
    )
    found.add_argument("--every", type=float, default=60, metavar="SECONDS", help="核对间隔秒数,默认 60 / seconds between checks")
    found.add_argument(
        "--tolerance", type=float, default=TOLERANCE, metavar="SECONDS", help="时间戳容差,默认 300 / tolerance of timestamps"
    )
    found.add_argument("--zone", default="Asia/Shanghai", help="服务计日的时区 / zone in which the service counts days")
    return found


def options_of(words: Sequence[str] | None = None) -> tuple[Options, str, int]:
    """The options, host and port. Ends the process with status 2 and a line if they are wrong."""
    command = parser()
    given = command.parse_args(words)
    if not given.jwks and not given.secret_file:
        command.error("须给出 --jwks 或 --secret-file / give --jwks or --secret-file")
    service = given.service or (given.jwks.removesuffix(JWKS_PATH) if given.jwks and given.jwks.endswith(JWKS_PATH) else None)
    if given.token_command and not service:
        command.error("--token-command 须与 --service 同用 / --token-command needs --service")
    if given.every <= 0 or given.tolerance <= 0 or not 0 < given.port < 65536:
        command.error(
            "--every、--tolerance 须大于 0,--port 须在 1 与 65535 之间 / --every and --tolerance are over 0, --port from 1 to 65535"
        )
    secrets = []
    for file in given.secret_file:
        try:
            secrets.append(secret_of(file.read_text("utf-8")))
        except (OSError, ValueError) as error:
            command.error(f"--secret-file {file}: {error}")
    try:
        ZoneInfo(given.zone)
    except (ZoneInfoNotFoundError, ValueError):
        command.error(f"--zone {given.zone}: 没有这个时区 / there is no such zone")
    options = Options(
        given.database, given.jwks, secrets, service.rstrip("/") if service else None, given.token_command, frozenset(given.subscription),
        given.tolerance, given.every, given.zone,
    )  # fmt: skip
    return options, given.host, given.port


def main() -> None:
    options, host, port = options_of()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    uvicorn.run(app_of(options), host=host, port=port, access_log=False, timeout_graceful_shutdown=5, log_config=None)


if __name__ == "__main__":
    main()
