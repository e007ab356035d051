"""The line of an import's progress."""

from __future__ import annotations

import io

from rich.console import Console

from deploy.local.loading.progress import LoadProgress
from samples.notices import ROW


def test_what_was_refused_is_not_told_as_taken() -> None:
    screen = io.StringIO()
    with LoadProgress("members m.csv", 7, Console(file=screen, force_terminal=False, width=200)) as progress:
        progress.advance(ROW, 2, 2)
        progress.advance("member", 5, 3)
    assert screen.getvalue() == "members m.csv: 7/7 · 已接受 taken member 2 · 未接受 refused 5\n"


def test_nothing_taken_is_said() -> None:
    screen = io.StringIO()
    with LoadProgress("m", 1, Console(file=screen, force_terminal=False, width=200)) as progress:
        progress.advance("member", 1, 1)
    assert "taken 0 · 未接受 refused 1" in screen.getvalue()
