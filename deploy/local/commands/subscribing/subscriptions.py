"""`subscriptions audit`: run `python -m services.subscriptions.operate` with the stack's environment."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.local.commands.coverage import require_day
from deploy.local.commands.generations import JSON, operate


def register(app: typer.Typer) -> None:
    subscriptions = typer.Typer(
        no_args_is_help=True, help="事件订阅:核对某日的分发 / event subscriptions: audit what was delivered on a day"
    )
    subscriptions.callback()(_group)
    subscriptions.command(
        help="核对某日的分发:由主题与当时的授权重算谁应得到什么,并比较;0 一致,1 有差异,2 一致但有等待或搁置,3 没有运行的平台,4 未能完成 / who was entitled to what "
        "on a day, by the topics and the grants of that time, against what was assigned; 0: equal, 1: different, 2: equal but "
        "something is held or waits, 3: no stack runs, "
        "4: it could not be done"
    )(audit)
    app.add_typer(subscriptions, name="subscriptions")


def _group() -> None:
    """Without this a group of one command would take that command's place."""


def audit(
    context: typer.Context,
    day: Annotated[str, typer.Argument(help="按平台时钟与时区的日期 / the day by the platform's clock and zone", metavar="DAY")],
    as_json: JSON = False,
) -> None:
    require_day("DAY", day)
    operate("subscriptions", context, "audit", day, *(["--json"] if as_json else []))
