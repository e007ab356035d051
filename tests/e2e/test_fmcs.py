"""Work stoppages through a whole stack: every row is a case or refused, the figures are those of the file, a second run changes nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.folder import ROOT
from tests import oracle_fmcs
from tests.e2e.platform import Platform, parkunion, until
from tests.in_memory import stack_in_memory

SAMPLE = ROOT / "samples" / "fmcs" / "fmcs_work_stoppages_1984_2009.csv"
EVERY = 16
"""One row of so many is taken, and every odd one."""
DAYS = ("1986-07-14", "1997-12-31", "2009-12-31")
YEARS = (1984, 1990, 2009)
PAGE = 500
REFUSED = 'Nobody,X,2000AA1,,,,Retail,"Gary, IN",20.0,2000-02-30,2000-03-01,\n'

pytestmark = pytest.mark.slow


@dataclass
class Loaded:
    """A stack with a part of the sample, the file of its good rows, and what the command said."""

    platform: Platform
    rows: Path
    file: Path
    output: str
    status: int


def part_of_the_sample(path: Path) -> Path:
    """A smaller file of the same form, whose lines have other numbers."""
    odd = {line for code, line in oracle_fmcs.odd(SAMPLE)}
    lines = SAMPLE.read_text("utf-8").splitlines(keepends=True)
    kept = [text for number, text in enumerate(lines[1:], 2) if number % EVERY == 0 or number in odd]
    path.write_text("".join([lines[0], *kept]), "utf-8")
    return path


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    with stack_in_memory(tmp_path_factory, "fmcs") as folder:
        yield from _loaded(folder)


def _loaded(folder: Path) -> Iterator[Loaded]:
    rows = part_of_the_sample(folder / "part.csv")
    file = folder / "file.csv"
    file.write_text(rows.read_text("utf-8") + REFUSED, "utf-8")
    platform = Platform.start(folder / "stack")
    try:
        run = parkunion("import", "fmcs", file, "--data", platform.data, check=False)
        until(platform.settled, "everything projected")
        yield Loaded(platform, rows, file, run.stdout, run.returncode)
    finally:
        platform.discard()


def all_cases(platform: Platform, **params: str) -> list[dict[str, Any]]:
    """Every page of the list."""
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        answer = platform.get("cases", "/v1/cases", limit=str(PAGE), **params, **after)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


def state_of(case: dict[str, Any]) -> str:
    state, _, _ = case["area"].partition("-")
    return "" if state == "US" else str(state)


def by_state(platform: Platform, name: str, field: str = "count", **params: str) -> dict[str, int]:
    """{state, "" for none: the figure}; states with none are left out."""
    answer = platform.get("metrics", f"/v1/statistics/{name}", by="district", **params)
    assert answer.status_code == 200, answer.text
    rows = {row["code"]: row[field] for row in answer.json()["rows"] if row["code"] != "all" and row[field]}
    return {"" if code == "US" else code: figure for code, figure in rows.items()}


def test_every_row_is_a_case_or_refused_with_its_reason(loaded: Loaded) -> None:
    rows = loaded.rows.read_text("utf-8").count("\n") - 1
    assert loaded.status == 1
    assert re.search(rf"line {rows + 2} · Start Date · INVALID_DATE", loaded.output)
    assert f"case {rows}" in loaded.output
    assert "row 1" in loaded.output
    for code, count in Counter(code for code, _ in oracle_fmcs.odd(loaded.rows)).items():
        assert len(re.findall(rf"^  \S+  {code}  ", loaded.output, re.MULTILINE)) == count, code


def test_the_cases_are_those_of_the_file(loaded: Loaded) -> None:
    cases = all_cases(loaded.platform)
    started = Counter((state_of(case), int(case["reported_on"][:4])) for case in cases)
    assert started == oracle_fmcs.started(loaded.rows)
    assert {(case["kind"], case["subkind"]) for case in cases} == {("labour_dispute", "work_stoppage")}
    assert all(case["occurred_on"] == case["reported_on"] for case in cases)
    assert Counter(state_of(case) for case in cases if case["collective"]) == oracle_fmcs.collective(loaded.rows)
    assert Counter(state_of(case) for case in cases if case["state"] == "open") == oracle_fmcs.open_on(loaded.rows, "2026-01-01")
    assert {case["outcome"]["outcome"] for case in cases if case["state"] == "closed"} == {"ended"}


@pytest.mark.parametrize("day", DAYS)
def test_cases_open_on_a_day_are_those_of_the_file_in_every_state(loaded: Loaded, day: str) -> None:
    assert by_state(loaded.platform, "cases_open", as_of=day) == oracle_fmcs.open_on(loaded.rows, day)


@pytest.mark.parametrize("year", YEARS)
def test_cases_of_a_year_are_those_of_the_file_in_every_state(loaded: Loaded, year: int) -> None:
    wanted = {state: count for (state, began), count in oracle_fmcs.started(loaded.rows).items() if began == year}
    assert by_state(loaded.platform, "cases_opened", since=f"{year}-01-01", as_of=f"{year}-12-31") == wanted


def test_collective_cases_by_their_number_alone_are_those_of_the_file(loaded: Loaded) -> None:
    found = by_state(loaded.platform, "collective_cases", "proxy", since="1900-01-01", as_of="2026-01-01")
    assert found == oracle_fmcs.collective(loaded.rows)


async def test_a_second_run_changes_nothing(loaded: Loaded) -> None:
    before = await facts_of(loaded.platform)
    assert before["cases"] == len(all_cases(loaded.platform)) * 2 - sum(oracle_fmcs.open_on(loaded.rows, "2026-01-01").values())
    again = parkunion("import", "fmcs", loaded.file, "--data", loaded.platform.data, check=False)
    assert again.stdout.splitlines()[-3:] == loaded.output.splitlines()[-3:]
    until(loaded.platform.settled, "everything projected")
    assert await facts_of(loaded.platform) == before


async def facts_of(platform: Platform) -> dict[str, int]:
    """{service: facts in its journal}; that a day is closed is none."""
    found = {}
    for service in ("registry", "cases"):
        conn = await asyncpg.connect(platform.status()["postgres"]["dsn"][service])
        try:
            found[service] = await conn.fetchval("SELECT count(*) FROM journal WHERE type <> 'parkunion.day-closed.v1'")
        finally:
            await conn.close()
    return found
