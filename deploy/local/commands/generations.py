"""`audit`, `rebuild`, `generations`, `switch`, `rollback`: run `python -m services.metrics.operate` with the stack's environment."""

from __future__ import annotations

import subprocess
from functools import partial
from typing import Annotated

import typer

from deploy.local import stack as stacks
from deploy.local.supervising.processes import operate_program, operator_environment

JSON = Annotated[bool, typer.Option("--json", help="JSON")]
ZH, EN = "3 没有运行的平台,4 未能完成", "3: no stack runs, 4: it could not be done"


def register(app: typer.Typer) -> None:
    app.command(
        help="核对:由日志重算并逐行比较;0 一致,1 不一致,2 一致但有搁置,"
        f"{ZH} / fold the log again and compare every row; 0: equal, 1: different, 2: equal but something is parked, {EN}"
    )(audit)
    app.command(
        help=f"重建:在旁新建一代并比较;0 一致,1 不一致,{ZH} / build a new generation beside the serving one; 0: equal, 1: different, {EN}"
    )(rebuild)
    app.command(help=f"列出各代;0 已列出,{ZH} / list the generations; 0: listed, {EN}")(generations)
    app.command(help=f"切换到另一代;0 已切换,{ZH} / let another generation answer; 0: it does, {EN}")(switch)
    app.command(help=f"退回上一代;0 已退回,{ZH} / go back to the generation before; 0: it answers again, {EN}")(rollback)


def audit(context: typer.Context, as_json: JSON = False) -> None:
    _operate(context, "audit", *_flag("--json", as_json))


def rebuild(
    context: typer.Context,
    as_json: JSON = False,
    switch: Annotated[bool, typer.Option("--switch", help="一致则切换 / switch to it if it is equal")] = False,
    as_it_is: Annotated[
        bool, typer.Option("--as-it-is", help="日志少于已计入的内容时也重建 / also of a log that holds less than was folded")
    ] = False,
) -> None:
    _operate(context, "rebuild", *_flag("--json", as_json), *_flag("--switch", switch), *_flag("--as-it-is", as_it_is))


def generations(context: typer.Context, as_json: JSON = False) -> None:
    _operate(context, "generations", *_flag("--json", as_json))


def switch(
    context: typer.Context,
    generation: Annotated[int | None, typer.Argument(help="代;默认最新建成的 / default: the newest that is built", metavar="N")] = None,
    accept: Annotated[
        int | None, typer.Option(help="接受此报告的差异 / the differences of this report are meant", metavar="REPORT")
    ] = None,
) -> None:
    target = [] if generation is None else [str(generation)]
    _operate(context, "switch", *target, *([] if accept is None else ["--accept", str(accept)]))


def rollback(context: typer.Context) -> None:
    _operate(context, "rollback")


def _flag(name: str, given: bool) -> list[str]:
    return [name] if given else []


def operate(service: str, context: typer.Context, *words: str) -> None:
    """Run a service's program for operators with the stack's environment, and exit with its code."""
    stack = stacks.load(context.obj)
    env = operator_environment(stack.dsn(service, "owner"), stack.content["kafka"]["bootstrap"])
    done = subprocess.run(operate_program(service, *words), env=env, cwd="/", stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)


_operate = partial(operate, "metrics")
