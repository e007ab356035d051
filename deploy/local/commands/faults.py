"""`faults`: lists the fault points."""

from __future__ import annotations

import typer

from shared.process.faults import POINTS


def register(app: typer.Typer) -> None:
    app.command(help="列出故障点,供测试:PARKUNION_FAULT=点:次:kill|stop|cancel|raise / list the fault points, for tests")(faults)


def faults() -> None:
    for name, description in POINTS.items():
        print(f"{name}\t{description}")
