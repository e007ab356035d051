"""The commands of `./parkunion`. Every module has `register(app: typer.Typer) -> None`, which adds its commands.

The folder said with `--data` is `context.obj` (`Path | None`): `deploy.local.stack.load(context.obj)` gives the running stack. Progress
goes to stderr, results to stdout; what is wrong is raised as `deploy.local.trouble.Trouble`.
"""
