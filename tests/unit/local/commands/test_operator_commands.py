"""What an operator's commands say of what they were given and of what they were told."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from typer.main import get_command

from deploy.local.__main__ import COMMANDS, command_line, main
from deploy.local.commands.coverage import Format, form_of
from deploy.local.commands.parked import local_instant
from deploy.local.errors import UserError
from deploy.local.folder import ROOT
from deploy.local.stack import Stack, incomplete_log
from deploy.local.status import failing_checks
from services.metrics.generations.reporting import print_audit
from services.subscriptions.proof.differences import Report, print_report


@pytest.mark.parametrize("option", ["--as-of", "--known-at", "--known-to"])
@pytest.mark.parametrize("said", ["2021-13-01", "2021-02-30", "20210101", "2021-W01-1", "yesterday"])
def test_a_day_that_does_not_exist_is_a_wrong_argument(
    option: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["parkunion", "--data", str(tmp_path / "none"), "coverage", option, said])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert all(word in lines[0] for word in (option, said, " / "))


def test_held_since_is_told_in_the_zone_of_the_deployment() -> None:
    assert local_instant("2026-11-26T23:55:31.545485Z", ZoneInfo("Asia/Shanghai")) == "2026-11-27 07:55:31"


class Ready:
    """A stack whose services are ready, but for what one of them says of its relay."""

    services = ("registry", "metrics")

    def readiness(self, service: str) -> dict[str, Any]:
        relay = {"relay": "stopped: the topic was made anew"} if service == "registry" else {}
        return {"ready": True, "checks": {"database": "ok", **relay}}


def test_a_relay_that_stopped_is_seen_in_the_status_of_a_service_that_is_ready() -> None:
    assert failing_checks(cast(Stack, Ready())) == ["registry: relay: stopped: the topic was made anew"]


def test_each_command_is_found_without_importing_the_others() -> None:
    whole = sorted(get_command(command_line(None)).commands)  # type: ignore[attr-defined]
    assert whole == sorted(word for words in COMMANDS.values() for word in words)
    for word in whole:
        assert word in get_command(command_line(word)).commands  # type: ignore[attr-defined]
    asked = "import sys; from deploy.local.__main__ import command_line; command_line('status'); print('fastapi' in sys.modules)"
    run = subprocess.run([sys.executable, "-P", "-c", asked], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize("command", ["audit", "rebuild", "generations", "switch", "rollback", "subscriptions audit", "manifest verify"])
def test_the_help_of_a_command_that_compares_or_changes_figures_tells_every_exit_code(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["parkunion", *command.split(), "--help"])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().out
    codes = {"audit": "01234", "rebuild": "0134", "subscriptions audit": "01234", "manifest verify": "012"}.get(command, "034")
    for code in codes:
        assert f"{code}: " in told
        assert f"{code} " in told


@pytest.mark.parametrize(("count", "said"), [(1, "不一致 1 行 / 1 row differs"), (1200, "不一致 1,200 行 / 1,200 rows differ")])
def test_one_row_differs_and_several_differ(count: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"id": 1, "generation": 1, "fold_version": 2, "events": 9, "rows": 9, "seconds": 0.1}
    print_audit({**body, "differences": count, "different": [], "parked": []})
    assert capsys.readouterr().out.splitlines()[1] == said


def test_a_start_waits_for_no_log_that_only_commands_can_mend() -> None:
    lacks = "it does not hold what was read of it"
    assert incomplete_log({"ready": False, "checks": {"database": "ok", "rules": "older", "log": lacks}}) == lacks
    assert not incomplete_log({"ready": False, "checks": {"database": "ok", "projector": "has not begun", "log": lacks}})
    assert not incomplete_log({"ready": True, "checks": {"database": "ok", "log": "ok"}})
    assert not incomplete_log({})


@pytest.mark.parametrize("command", ["", "coverage", "enterprise", "client list", "subscriptions audit"])
def test_the_help_shows_a_flag_without_a_value(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["parkunion", *command.split(), "--help"])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().out
    assert "--help" in told
    assert "<bool>" not in told


def test_json_is_a_form_of_its_own_flag_or_of_format() -> None:
    assert form_of(Format.table, as_json=True) is form_of(Format.json, as_json=False) is Format.json
    assert form_of(Format.csv, as_json=False) is Format.csv
    with pytest.raises(UserError):
        form_of(Format.csv, as_json=True)


@pytest.mark.parametrize(("events", "said"), [(0, "该日无事可核对"), (3, "一致 / equal")])
def test_an_audit_of_a_day_without_events_says_so(events: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_report(Report(date(2001, 1, 1), datetime(2026, 6, 30, tzinfo=UTC), [], [], events=events))
    assert said in capsys.readouterr().out.splitlines()[-1]
