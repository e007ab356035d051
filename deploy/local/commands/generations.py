"""`audit`, `rebuild`, `generations`, `switch`, `rollback`: the figures against the log, and new ones beside them.

The work is the metrics service's own (`python -m services.metrics.operate`), run here with the stack's environment and the owner's role.
"""

from __future__ import annotations

import subprocess
from typing import Annotated

import typer

from deploy.local import stack as stacks
from deploy.local.processes import operate_program, operator_environment

JSON = Annotated[bool, typer.Option("--json", help="JSON")]


def register(app: typer.Typer) -> None:
    app.command(
        help="核对:由日志重算并逐行比较;0 一致,1 不一致,2 一致但有搁置,4 无法核对 "
        "/ fold the log again and compare every row; 0: equal, 1: different, 2: equal but something is parked, 4: it could not be done"
    )(audit)
    app.command(help="重建:在旁新建一代并比较;0 一致,1 不一致 / build a new generation beside the serving one; 0: equal, 1: different")(
        rebuild
    )
    app.command(help="列出各代 / list the generations")(generations)
    app.command(help="切换到另一代 / let another generation answer")(switch)
    app.command(help="退回上一代 / go back to the generation before")(rollback)


def audit(context: typer.Context, as_json: JSON = False) -> None:
    _operate(context, "audit", *_flag("--json", as_json))


def rebuild(
    context: typer.Context,
    as_json: JSON = False,
    switch: Annotated[bool, typer.Option("--switch", help="一致则切换 / switch to it if it is equal")] = False,
) -> None:
    _operate(context, "rebuild", *_flag("--json", as_json), *_flag("--switch", switch))


def generations(context: typer.Context, as_json: JSON = False) -> None:
    _operate(context, "generations", *_flag("--json", as_json))


def switch(
    context: typer.Context,
    generation: Annotated[int | None, typer.Argument(help="代;默认最新建成的 / default: the newest that is built", metavar="N")] = None,
    accept: Annotated[
        int | None, typer.Option(help="接受此报告的差异 / the differences of this report are meant", metavar="REPORT")
    ] = None,
) -> None:
    wanted = [] if generation is None else [str(generation)]
    _operate(context, "switch", *wanted, *([] if accept is None else ["--accept", str(accept)]))


def rollback(context: typer.Context) -> None:
    _operate(context, "rollback")


def _flag(name: str, said: bool) -> list[str]:
    return [name] if said else []


def _operate(context: typer.Context, *words: str) -> None:
    """Run the command to its end; its exit code is ours."""
    stack = stacks.load(context.obj)
    env = operator_environment(stack.dsn("metrics", "owner"), stack.content["kafka"]["bootstrap"])
    done = subprocess.run(operate_program(*words), env=env, cwd="/", stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
