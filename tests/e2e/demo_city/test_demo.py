"""The synthetic city through a whole stack: all of it is accepted, every figure is the oracle's, a second run repeats nothing."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import httpx
import pytest

from samples.city import City
from shared import contracts
from shared.contracts import membership, registry
from tests.e2e.demo_city.conftest import LAST_DAY, SCENARIO, WORDS, Done, by_area, counts
from tests.e2e.journals import SOURCES, journals
from tests.e2e.platform import Platform, parkunion, run_in_process, until


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
    run = run_in_process("demo", "--exit", "--data", done.platform.data)
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
    run = run_in_process("demo", *words, "--data", tmp_path / "stack")
    assert run.returncode == 2
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1
    zh, _, en = run.stderr.partition(" / ")
    assert re.search("[\u4e00-\u9fff]", zh)
    assert en.strip().isascii()
    assert not (tmp_path / "stack").exists()
