"""The report of a bench: the form of its file, and what several runs of one cell come to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bench.cpu import share_of_all_cores
from bench.generator.truth import Truth
from bench.generator.workload import END, Workload
from bench.provenance import commit
from bench.speed import __main__ as speed
from bench.speed import peering, report, rightness
from bench.speed.plans import PLANS, Plan
from bench.speed.report import Result
from tests.unit.bench.test_generator import KNOWN, SMALL


def result(per_second: int, right: bool = True, rss: int = 100) -> Result:
    return Result("parkunion", "ledger", "in-order", 1000, 2, per_second, right, 0, rss, wrong=() if right else ("a figure",))


def test_one_wrong_run_makes_a_cell_wrong_and_its_peak_of_memory_is_the_largest() -> None:
    found = report.median([result(300), result(100, right=False, rss=250), result(200)])
    assert (found.events_per_s, found.right, found.rss_mb, list(found.runs)) == (200, False, 250, [300, 100, 200])
    assert list(found.wrong) == ["a figure"]
    assert "WRONG parkunion in-order: a figure" in report.table([found], {})


def test_the_file_has_the_agreed_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "OUT", tmp_path / "out")
    content = json.loads(report.write("quick", 7, KNOWN, [result(300)], {"copy": 1}).read_text())
    assert content.keys() == {"seed", "machine", "commit", "measured_on", "known_day", "results", "ceilings"}
    assert content["known_day"] == KNOWN.isoformat()
    assert datetime.fromisoformat(content["measured_on"]).utcoffset() == timedelta(0)
    assert content["results"][0].keys() >= {
        "system",
        "task",
        "workload",
        "events",
        "workers",
        "events_per_s",
        "right",
        "kills",
        "rss_mb",
        "warm",
    }


def test_the_commit_tells_whether_the_tree_differs_from_it(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        program = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
        return subprocess.run(program, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-qm", "one")
    assert commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("2")
    assert commit(tmp_path) == git("rev-parse", "HEAD") + "+changes"


@pytest.mark.parametrize(("system", "right", "code"), [("parkunion", True, None), ("parkunion", False, "NOT RIGHT"), ("quix", False, None)])
def test_a_figure_of_the_product_that_is_wrong_is_the_exit_code(
    system: str, right: bool, code: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer may be wrong after a kill: that is a result."""

    def measured(plan: Plan, seed: int) -> Sequence[Result]:
        return [result(300), replace(result(300, right), system=system)]

    monkeypatch.setattr(speed, "measure", measured)
    monkeypatch.setattr(sys, "argv", ["bench.speed", "quick"])
    if code is None:
        speed.main()
    else:
        with pytest.raises(SystemExit, match=code):
            speed.main()


def test_the_share_of_all_cores_is_of_the_seconds_that_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert share_of_all_cores({"api": 1.0}, {"api": 4.0, "projector": 3.0}, 10.0) == 0.3


def test_a_warm_cell_is_shown_and_stays_one_over_its_runs() -> None:
    warm = replace(result(300), system="flink", task="plain", warm=True)
    assert report.median([warm, warm]).warm
    head, *rows = (line.split("  ") for line in report.table([warm, replace(warm, warm=False)], {}).splitlines())
    cells = [[cell.strip() for cell in row if cell.strip()] for row in (head, *rows)]
    assert "warm" in cells[0]
    assert [row.count("yes") for row in cells[1:]] == [2, 1]


def test_the_ceilings_have_a_ledger_to_copy() -> None:
    for plan in PLANS.values():
        assert plan.logs[0].cells[0].system == "parkunion"


def test_a_figure_that_is_missing_wrong_or_too_many_is_named() -> None:
    right = {"D000-P000": {"units": 2, "members": 5}}
    assert not list(rightness._compare("known", right, right))
    for served in ({}, {"D000-P000": {"units": 2, "members": 4}}, {**right, "D001-P001": {"units": 1}}):
        assert list(rightness._compare("known", served, right))


def test_a_stated_truth_has_members_in_every_workload() -> None:
    for workload in SMALL.values():
        wanted = peering._wanted(Truth(workload))
        assert sum(figures[0] for figures in wanted.values()) == workload.enterprises
        assert sum(figures[3] for figures in wanted.values()) > workload.facts / 2


def test_a_log_too_short_for_its_enterprises_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        Truth(Workload("in-order", 1, 1000, known=KNOWN)).coverage(END, KNOWN)
