"""The synthetic city through a whole stack: all of it is accepted, every figure is the oracle's, a second run repeats nothing."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from samples.city import City, Scenario
from services.metrics.folding.measures import PUBLISHED
from shared import contracts
from shared.contracts import Envelope, membership, registry
from tests import oracle
from tests.e2e.journals import SOURCES, journals
from tests.e2e.platform import Platform, asked, parkunion, until

LAST_DAY = "2025-06-30"
SCENARIO = Scenario(date(2025, 6, 30), 150, 3, 11)
WORDS = ("--sample", "city", "--enterprises", "150", "--years", "3", "--seed", "11", "--as-of", LAST_DAY)


@dataclass(frozen=True)
class Done:
    """A demo that ended by itself, what it wrote, and its stack, started again."""

    output: str
    told: str
    answer: dict[str, Any]
    platform: Platform


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    folder = tmp_path_factory.mktemp("city")
    run = parkunion("demo", *WORDS, "--exit", "--json", folder / "figures.json", "--data", folder / "stack", check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert parkunion("status", "--data", folder / "stack", check=False).returncode == 3, "the demo left its stack running"
    platform = Platform.start(folder / "stack")
    try:
        yield Done(run.stdout, run.stderr, json.loads((folder / "figures.json").read_text("utf-8")), platform)
    finally:
        platform.stop()


def by_area(events: list[Envelope], as_of: date, digits: int) -> dict[str, dict[str, int]]:
    """The oracle's figures by the first digits of the park's code."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for (park, *_), measures in oracle.coverage_by_cell(events, as_of, date.max).items():
        # A union sits in a division, too; its only measure is published nowhere here.
        for area in ((park or "")[:digits], "all"):
            rows[area].update({name: measures[name] for name in PUBLISHED})
    return {area: {name: row[name] for name in PUBLISHED} for area, row in rows.items() if any(row.values())}


def counts(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    found = {area: {name: row[name] for name in PUBLISHED} for area, row in rows.items()}
    return {area: row for area, row in found.items() if any(row.values())}


@pytest.mark.slow
@pytest.mark.invariant("I3")
async def test_all_is_accepted_and_every_figure_on_several_days_is_the_oracles(done: Done) -> None:
    assert "refused, without effect on the others: 0" in done.output
    events = await journals(done.platform)
    assert done.answer["as_of"] == LAST_DAY
    assert counts({row["area"]: row for row in done.answer["rows"]}) == by_area(events, SCENARIO.last_day, 6)
    for day in ("2022-07-15", "2023-12-31", LAST_DAY):
        assert counts(done.platform.figures(by="park", as_of=day)) == by_area(events, date.fromisoformat(day), len("330203-P001"))


@pytest.mark.slow
async def test_every_kind_of_event_was_said_corrected_and_taken_back(done: Done) -> None:
    events = await journals(done.platform)
    assert {event.type for event in events if event.source == registry.SOURCE} > set(registry.TYPES)
    assert {event.type for event in events if event.source == membership.SOURCE} > set(membership.TYPES)
    said = {
        (event.source, contracts.plain(event.data).get("replacement") is None)
        for event in events
        if event.type.endswith("fact-corrected.v1")
    }
    assert said == {(source, gone) for source in SOURCES.values() for gone in (True, False)}


@pytest.mark.slow
@pytest.mark.endurance
async def test_a_second_run_repeats_nothing(done: Done, tmp_path: Path) -> None:
    before = len(await journals(done.platform))
    done.platform.stop()
    again = parkunion("demo", *WORDS, "--exit", "--json", tmp_path / "figures.json", "--data", done.platform.data)
    assert again.returncode == 0
    Platform.start(done.platform.data)
    until(done.platform.settled, "everything projected")
    assert len(await journals(done.platform)) == before
    assert json.loads((tmp_path / "figures.json").read_text("utf-8"))["rows"] == done.answer["rows"]


@pytest.mark.slow
def test_pages_table_and_areas_say_that_it_is_synthetic_and_what_is_odd_is_listed(done: Done) -> None:
    assert "合成样本数据" in done.output
    assert "not figures of any real city" in " ".join(done.output.split())
    assert all("（合成）" in row["name"] for row in done.answer["rows"] if row["area"] != "all")
    found = City(SCENARIO).finding_counts()
    assert f"odd, and kept: {found.total()}" in done.output
    for code, count in found.items():
        assert len(re.findall(rf"^  \S+  {code}  ", done.output, re.MULTILINE)) == count
    address = parkunion("dashboard", "--data", done.platform.data).stdout.strip()
    with httpx.Client(follow_redirects=True, trust_env=False, timeout=30, headers={"Accept-Language": "en"}) as browser:
        page = browser.get(address).text
    title = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    assert title is not None
    assert "Synthetic sample data" in title[1]
    assert "（合成）" in page


@pytest.mark.slow
def test_another_sample_is_not_brought_into_its_folder(done: Done) -> None:
    run = asked("demo", "--exit", "--data", done.platform.data)
    assert run.returncode == 2
    assert "another sample" in run.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--sample", "city", "--input", "x.csv"),
        ("--sample", "city", "--enterprises", "0"),
        ("--sample", "city", "--enterprises", "many"),
        ("--sample", "city", "--as-of", "2999-01-01"),
        ("--sample", "town"),
        ("--enterprises", "5"),
        ("--sample", "nlrb", "--years", "3"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line_in_both_languages(words: tuple[str, ...], tmp_path: Path) -> None:
    run = asked("demo", *words, "--data", tmp_path / "stack")
    assert run.returncode == 2
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1
    zh, _, en = run.stderr.partition(" / ")
    assert re.search("[\u4e00-\u9fff]", zh)
    assert en.strip().isascii()
    assert not (tmp_path / "stack").exists()
