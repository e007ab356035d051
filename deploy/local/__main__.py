"""`./parkunion`: the command line of the local stack (`python -m deploy.local`)."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup, TyperOption
from typer.main import get_group

from deploy.local.errors import UserError
from shared import __version__

COMMANDS: Mapping[str, Sequence[str]] = {
    "lifecycle": ("up", "down", "status"),
    "logs": ("logs",),
    "demo": ("demo",),
    "imports": ("import",),
    "coverage": ("coverage",),
    "enterprise": ("enterprise",),
    "generations": ("audit", "rebuild", "generations", "switch", "rollback"),
    "tokens": ("token", "dashboard", "portal", "cases"),
    "subscribing.clients": ("client",),
    "subscribing.subscriptions": ("subscriptions",),
    "subscribing.manifests": ("manifest",),
    "clock": ("clock",),
    "parked": ("parked",),
    "relay": ("reconcile", "relay"),
    "persons.erasures": ("erasures",),
    "persons.readings": ("readings",),
    "faults": ("faults",),
}
"""{module of `deploy.local.commands`: its commands}, in the order of the help."""


def command_line(command: str | None) -> typer.Typer:
    """The command line with only the module of `command`, or with all if there is none: importing all takes a second."""
    app = typer.Typer(
        name="parkunion",
        help="园区工会平台 · park union platform",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for module in [module for module, commands in COMMANDS.items() if command in commands] or COMMANDS:
        importlib.import_module(f"deploy.local.commands.{module}").register(app)
    return app


def without_types(group: TyperGroup) -> TyperGroup:
    """The same commands, whose help shows a flag by its name alone: typer adds `<bool>`, as if a value came next. Choices break between words."""
    for command in (group, *group.commands.values()):
        context = typer.Context(command)
        for option in command.get_params(context):
            if isinstance(option, TyperOption) and option.is_bool_flag:
                option.metavar = ""
            elif isinstance(option, TyperOption) and option.metavar is None and "|" in (shown := option.display_type(context) or ""):
                option.metavar = shown.strip("<>").replace("|", " | ")
        if isinstance(command, TyperGroup) and command is not group:
            without_types(command)
    return group


def fold_help() -> None:
    """Help goes on in the next line. rich ends a line of Chinese whose next word does not fit with “…”, and leaves the word out.

    typer has no setting for it: `tests/unit/local/test_help.py` fails without this.
    """
    from typer import rich_utils

    made = rich_utils._make_rich_text

    def folding(**given: Any) -> Any:
        text: Any = made(**given)
        text.overflow = "fold"
        return text

    rich_utils._make_rich_text = folding


def _loaded(command: str | None) -> TyperGroup:
    """The command line. What its modules consist of stays: a tenth of the time goes into looking for garbage in it."""
    gc.disable()
    try:
        return without_types(get_group(command_line(command)))
    finally:
        gc.freeze()
        gc.enable()


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"parkunion {__version__}")
        raise typer.Exit


def _options(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(
            help="平台文件夹 / folder of the stack; before or after the command (else PARKUNION_DATA, else .parkunion/)", metavar="DIR"
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", help="版本 / the release", callback=_print_version, is_eager=True, expose_value=False)
    ] = False,
) -> None:
    context.obj = data


def data_first(arguments: list[str]) -> list[str]:
    """Move `--data DIR` before the command."""
    found, rest = [], []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--data":
            found = [word, *([value] if (value := next(words, None)) is not None else [])]
        elif word.startswith("--data="):
            found = [word]
        else:
            rest.append(word)
    return [*found, *rest]


USAGE = {"MissingParameter": "缺少参数", "NoSuchOption": "没有此选项", "BadParameter": "参数有误", "BadOptionUsage": "选项用法有误"}


def usage_error(error: typer.TyperException) -> UserError:
    """A usage error of typer as one line in both languages."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "parkunion"
    zh, en = USAGE.get(type(error).__name__, "命令有误"), " ".join(error.format_message().split()).rstrip(".")
    return UserError(f"{zh},用法见 {command} --help", f"{en}; see {command} --help", error.exit_code)


def main() -> None:
    try:
        arguments = data_first(sys.argv[1:])
        words = arguments[2:] if arguments[:1] == ["--data"] else arguments
        if "--help" in arguments or not arguments:
            fold_help()
        sys.exit(_loaded(words[0] if words else None)(args=arguments, prog_name="parkunion", standalone_mode=False))
    except typer.TyperException as error:
        if len(sys.argv) == 1:
            print(error.format_message())
        else:
            print(usage_error(error).line(), file=sys.stderr)
        sys.exit(error.exit_code)
    except UserError as error:
        print(error.line(), file=sys.stderr)
        sys.exit(error.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (`| head`) has closed the pipe: nothing may be written any more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except OSError as error:
        print(f"系统错误:{error} / system error: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if os.environ.get("PARKUNION_TRACE"):
            raise
        message = " ".join(f"{type(error).__name__}: {error}".split())
        print(
            f"内部错误:{message}(设 PARKUNION_TRACE=1 可看详情) / internal error: {message} (PARKUNION_TRACE=1 shows all)", file=sys.stderr
        )
        sys.exit(70)


if __name__ == "__main__":
    main()
