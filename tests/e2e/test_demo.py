"""The main job on the real file: every row of the coverage equals the independent statement, a second run repeats nothing."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from deploy.local.folder import ROOT, folder_of
from deploy.local.stack import Stack
from shared.contracts.services import SERVICES
from tests.e2e.platform import SAMPLE, Platform, parkunion, rows_of_the_sample, until
from tests.in_memory import stack_in_memory
from tests.oracle_nlrb import COUNTS, expected
from tests.patience import PATIENCE

TOTALS = {"2021-12-31": (3783, 3777, 2342, 252414, 74890), "2018-12-31": (1826, 1747, 1038, 127119, 34418)}
EVENTS = 1584 + 3783 + 3783 + 2348 * 2 + 74890
"""Areas, enterprises, headcounts, unions with a coverage each, members."""

DAY = timedelta(days=1)
HEARTBEAT = "parkunion.subscription-heartbeat.v1"

pytestmark = pytest.mark.slow


@dataclass
class Demo:
    """A demo that has done its work and goes on running until it is interrupted; without a folder of the user's."""

    run: subprocess.Popen[bytes]
    output: str
    told: str
    answer: dict[str, Any]
    platform: Platform


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with stack_in_memory(tmp_path_factory, "demo") as folder:
        yield from _done(folder)


def _done(folder: Path) -> Iterator[Demo]:
    output, told = folder / "output", folder / "told"
    command: list[str | Path] = [ROOT / "parkunion", "demo", "--as-of", "2021-12-31", "--json", folder / "figures.json"]
    # The demo makes a folder of its own where temporary ones are.
    with output.open("wb") as stdout, told.open("wb") as stderr:
        run = subprocess.Popen(command, stdout=stdout, stderr=stderr, env={**os.environ, "TMPDIR": str(folder)})
    try:
        until(lambda: run.poll() is not None or "Ctrl-C ends it" in told.read_text("utf-8"), "the demo has done its work", 600)
        assert run.poll() is None, told.read_text("utf-8")
        named = re.search(r"folder: (\S+)", told.read_text("utf-8"))
        assert named is not None
        data = Path(named[1])
        answer = json.loads((folder / "figures.json").read_text("utf-8"))
        yield Demo(run, output.read_text("utf-8"), told.read_text("utf-8"), answer, Platform(data, Stack(data).token()))
    finally:
        run.send_signal(signal.SIGINT)
        run.wait(60)


def counts(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    return {area: {name: row[name] for name in COUNTS} for area, row in rows.items()}


def by_parks(path: Path) -> Path:
    """The sample with each row's park where its state stood, so that the statement by states becomes one by parks."""
    with SAMPLE.open(encoding="utf-8", newline="") as file, path.open("w", encoding="utf-8", newline="") as written:
        reader = csv.DictReader(file)
        writer = csv.DictWriter(written, reader.fieldnames or ())
        writer.writeheader()
        for row in reader:
            city = " ".join(row["Unit City"].upper().split())
            code = f"{row['Unit State'].upper()}-" + re.sub("[^A-Z0-9]+", "-", city)
            writer.writerow({**row, "Unit State": code})
    return path


def test_the_figures_that_the_demo_writes_are_those_of_the_file(done: Demo) -> None:
    rows = {row["area"]: row for row in done.answer["rows"]}
    assert done.answer["as_of"] == "2021-12-31"
    assert counts(rows) == expected(SAMPLE, "2021-12-31")
    total = rows["all"]
    figures = tuple(total[name] for name in ("units", "should_organise_all", "covered_all", "workers", "members"))
    assert figures == TOTALS["2021-12-31"]
    assert total["unit_founding_rate_all"] == {"numerator": 2342, "denominator": 3777, "rate": 2342 / 3777, "reason": None}


def test_an_earlier_day_has_the_figures_of_that_day_in_every_state(done: Demo) -> None:
    rows = done.platform.figures(by="district", as_of="2018-12-31")
    assert counts(rows) == expected(SAMPLE, "2018-12-31")
    figures = tuple(rows["all"][name] for name in ("units", "should_organise_all", "covered_all", "workers", "members"))
    assert figures == TOTALS["2018-12-31"]


@pytest.mark.parametrize("day", TOTALS)
def test_every_park_has_the_figures_of_the_file(done: Demo, day: str, tmp_path: Path) -> None:
    assert counts(done.platform.figures(by="park", as_of=day)) == expected(by_parks(tmp_path / "parks.csv"), day)


def test_what_is_odd_is_listed_with_case_and_code_and_addresses_are_said(done: Demo) -> None:
    assert re.search(r"^  13-RC-262986  VOTES_OVER_VOTERS  .*line 3127  32 > 0$", done.output, re.MULTILINE)
    assert len(re.findall(r"^  \d\d-\w\w-\d+  [A-Z_]+  ", done.output, re.MULTILINE)) == 369
    assert "2342/3777" in done.output
    assert len(re.findall(r"API: http://127\.0\.0\.1:\d+/docs", done.told)) == len(SERVICES)
    dashboard, portal = (done.platform.url(service) for service in ("metrics", "subscriptions"))
    assert len(set(re.findall(rf"{dashboard}/login\?code=\S{{40,}}", done.told))) == 2, "one before the work, a fresh one after the tables"
    assert len(set(re.findall(rf"{portal}/login\?code=\S{{40,}}", done.told))) == 1


def test_the_sample_became_known_over_several_days_which_are_closed(done: Demo) -> None:
    assert done.answer["known_at"] == done.answer["closed_day"] == (date.fromisoformat(done.platform.status()["today"]) - DAY).isoformat()
    assert done.answer["provisional"] == []
    known = [
        done.platform.figures(by="district", as_of="2021-12-31", known_at=str(date.fromisoformat(done.answer["known_at"]) - n * DAY))
        for n in (2, 1, 0)
    ]
    members = [rows.get("all", {"members": 0})["members"] for rows in known]
    assert members == sorted(set(members)), "more on each day"
    assert members[-1] == TOTALS["2021-12-31"][-1]


def test_what_the_bureau_was_granted_is_delivered_to_its_receiver_and_proved(done: Demo) -> None:
    told = done.answer["deliveries"]
    unions = expected(SAMPLE, "2026-01-01")["all"]["covered_all"]
    assert (told["complete"], told["gaps"], told["parked"]) == (True, [], 0)
    assert told["assigned"] == told["received"] + told["withheld"]
    assert told["assigned"] == sum(day["count"] for day in told["manifests"])
    assert told["last_seconds"] > 0
    assert [day["complete"] for day in told["manifests"]] == [False, True, True, True], "today may go on, the days before are over"
    assert f"{told['received']} / {told['assigned']}" in done.output
    events = [json.loads(line) for line in httpx.get(f"{told['receiver']}events.ndjson", trust_env=False, timeout=60).content.splitlines()]
    assert {event["type"] for event in events} <= {*told["types"], HEARTBEAT}
    founded = [event for event in events if event["type"] == "parkunion.union-founded.v1"]
    assert len({event["subject"] for event in founded}) == len(founded) >= unions


def test_commands_find_a_running_demo_if_no_folder_is_chosen(done: Demo, tmp_path: Path) -> None:
    if Stack(folder_of(None)).alive():
        pytest.skip("another stack runs in the default folder")
    found = parkunion("status", "--json")
    assert json.loads(found.stdout)["data"] == str(done.platform.data)
    chosen = parkunion("status", check=False, environment={"PARKUNION_DATA": str(tmp_path)})
    assert chosen.returncode != 0


async def test_a_second_run_repeats_nothing(done: Demo, tmp_path: Path) -> None:
    before = done.platform.figures(by="park")
    assert await events_of(done.platform) == EVENTS
    part = rows_of_the_sample(tmp_path / "part.csv", every=5)
    again = parkunion("import", "nlrb", part, "--data", done.platform.data)
    assert f"member {expected(part, '2026-01-01')['all']['members']}" in again.stdout
    until(done.platform.settled, "everything projected")
    assert await events_of(done.platform) == EVENTS
    assert done.platform.figures(by="park") == before


async def events_of(platform: Platform) -> int:
    """Facts in the journals of all services; that a day is closed is none of anybody."""
    found = 0
    for service in ("registry", "membership"):
        conn = await asyncpg.connect(platform.status()["postgres"]["dsn"][service])
        try:
            found += await conn.fetchval("SELECT count(*) FROM journal WHERE type <> 'parkunion.day-closed.v1'")
        finally:
            await conn.close()
    return found


def test_a_file_that_cannot_be_used_starts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("Case Number,Case Name\n1,2\n", "utf-8")
    run = parkunion("demo", "--exit", "--input", path, "--data", tmp_path / "stack", check=False)
    assert run.returncode == 2
    assert "MISSING_COLUMN" in run.stderr
    assert "nothing was brought in" in run.stderr
    assert not (tmp_path / "stack").exists()


def test_its_pages_say_whose_data_it_is_and_an_interrupt_leaves_nothing_running_and_no_folder(done: Demo) -> None:
    address = re.search(r"http://\S+/login\?code=\S+", done.told)
    assert address is not None
    with httpx.Client(follow_redirects=True, trust_env=False, timeout=30, headers={"Accept-Language": "en"}) as browser:
        page = browser.get(address[0])
    assert page.status_code == 200
    assert "union elections in the United States" in page.text
    children = psutil.Process(done.run.pid).children(recursive=True)
    assert len(children) > 6
    done.run.send_signal(signal.SIGINT)
    assert done.run.wait(60) == 0
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert not alive
    assert not done.platform.data.exists()


@pytest.mark.endurance
def test_an_interrupt_while_it_loads_leaves_nothing_running_and_no_folder() -> None:
    run = subprocess.Popen([ROOT / "parkunion", "demo"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    told = ""
    for line in run.stderr:
        told += line
        if "login?code=" in line:
            break
    children = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert not alive
    folder = re.search(r"folder: (\S+)", told)
    assert folder is not None
    assert not Path(folder[1]).exists()
