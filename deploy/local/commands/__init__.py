"""The commands of `./parkunion`. Every module has `register(app: typer.Typer) -> None`, which adds its commands.

The folder of `--data` is `context.obj` (`Path | None`): `deploy.local.stack.load(context.obj)` gives the running stack. Progress
goes to stderr, results to stdout; errors are raised as `deploy.local.errors.UserError`.
"""
