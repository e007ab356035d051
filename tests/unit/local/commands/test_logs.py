"""`logs`: lines of several files in order of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.commands.logs import LogFile, parse_since, time_of
from deploy.local.errors import UserError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "instant"),
    [
        ('{"event":"ready","timestamp":"2026-02-28T10:00:00.123456Z","service":"registry"}', datetime(2026, 2, 28, 10, 0, 0, 123456, UTC)),
        ("2026-02-28 10:00:00.123 UTC [12] LOG:  ready", datetime(2026, 2, 28, 10, 0, 0, 123000, UTC)),
        ("2026-02-28T18:00:00.123+08:00 [main] WARN broker", datetime(2026, 2, 28, 10, 0, 0, 123000, UTC)),
        ("\tat java.base/Thread.run", None),
        ("2026-02-30 10:00:00.123 UTC [12] LOG:  no such day", None),
    ],
)
def test_the_time_of_a_line_is_read_in_the_form_of_each_program(line: str, instant: datetime | None) -> None:
    assert time_of(line) == instant


def test_a_line_without_a_time_stays_behind_the_line_that_it_belongs_to(tmp_path: Path) -> None:
    path = tmp_path / "kafka.log"
    path.write_text("2026-02-28T10:00:00Z failed\n\tat here\n2026-02-28T10:00:02Z again\nhalf a li", "utf-8")
    log = LogFile(path)
    lines = list(log.more())
    assert [line.text for line in lines] == ["2026-02-28T10:00:00Z failed", "\tat here", "2026-02-28T10:00:02Z again"]
    assert lines[0].at == lines[1].at < lines[2].at
    with path.open("a") as file:
        file.write("ne\n")
    assert [line.text for line in log.more()] == ["half a line"]


def test_a_rotated_log_comes_first_and_a_new_one_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "kafka.log"
    path.with_suffix(".log.1").write_text("2026-02-27T10:00:00Z old\n", "utf-8")
    path.write_text("2026-02-28T10:00:00Z new and long\n", "utf-8")
    log = LogFile(path)
    assert [line.text[21:] for line in log.more()] == ["old", "new and long"]
    path.write_text("2026-02-28T11:00:00Z short\n", "utf-8")
    assert [line.text[21:] for line in log.more()] == ["short"]


def test_since_is_a_span_or_an_instant() -> None:
    assert parse_since("90s", NOW) == NOW - timedelta(seconds=90)
    assert parse_since("1d2h", NOW) == NOW - timedelta(hours=26)
    assert parse_since("2026-02-28T18:00:00+08:00", NOW) == datetime(2026, 2, 28, 10, tzinfo=UTC)
    with pytest.raises(UserError, match="--since soon"):
        parse_since("soon", NOW)
