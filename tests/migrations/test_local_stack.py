"""A folder that the local stack of a kept release has filled is started by this one, and goes on where it was."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.stack import Stack
from services.metrics.folding.coverage import FOLD_VERSION
from shared.contracts.services import SERVICES
from tests.e2e.platform import Platform, parkunion, until
from tests.in_memory import stack_in_memory
from tests.migrations.keep import QUESTIONS, WAITS, closed_day, tell, tell_what_is_taken_back, turn
from tests.migrations.kept import environment_of, of, program_of, unpack

pytestmark = [pytest.mark.slow, pytest.mark.invariant("I8")]

Old = Callable[..., str]


@pytest.fixture
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder; whoever runs in it is stopped afterwards."""
    with stack_in_memory(tmp_path_factory, "old") as folder:
        yield folder / "stack"
        Platform(folder / "stack", "").discard()


@pytest.fixture
def old(kept: Path, tmp_path: Path, data: Path) -> Old:
    """The old release's `parkunion` on that folder; its output."""
    code = unpack(kept, tmp_path / "old")

    def run(*words: str) -> str:
        program = program_of(code, "deploy.local", "--data", str(data), *words)
        done = subprocess.run(program, env=environment_of(code), capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@of("0.2")
def test_a_folder_of_the_old_release_goes_on_where_it_was(old: Old, data: Path) -> None:
    """Its closed day stays closed, its figures of that day final; they are folded anew by the rules of this release."""
    platform = begun(old, data)
    old("rebuild", "--switch")
    tell_what_is_taken_back(platform, lambda: turn(platform, lambda: old("clock", "advance", "1d")))
    day = str(closed_day(platform))
    before, final, waits = figures(platform), figures(platform, known_at=day), durations(platform)
    assert before != final
    served = serving(old("generations", "--json"))
    assert served == {"id": 2, "fold_version": 2}
    old("down")

    platform = Platform.start(data)
    require_every_service(platform)
    wanted = {"id": 3, "fold_version": FOLD_VERSION}
    until(lambda: serving(parkunion("generations", "--json", "--data", data).stdout) == wanted, "the figures are folded anew", 120)
    until(platform.settled, "everything is projected")
    assert str(closed_day(platform)) >= day
    assert (figures(platform), figures(platform, known_at=day), durations(platform)) == (before, final, waits)
    goes_on(platform)
    assert figures(platform, known_at=day) == final


@of("0.1")
@pytest.mark.endurance
def test_a_folder_of_the_first_release_is_folded_anew_and_goes_on_where_it_was(old: Old, data: Path) -> None:
    platform = begun(old, data)
    rows = figures(platform)
    old("down")

    platform = Platform.start(data)
    require_every_service(platform)
    assert figures(platform) == rows, "the old figures are served until the new ones are there"
    wanted = {"id": 2, "fold_version": FOLD_VERSION}
    until(lambda: serving(parkunion("generations", "--json", "--data", data).stdout) == wanted, "the figures are folded anew", 120)
    until(platform.settled, "everything is projected")
    assert figures(platform) == rows
    goes_on(platform)


def begun(old: Old, data: Path) -> Platform:
    """A stack of the old release with one of every command of 0.1."""
    old("up", "--detach", "--test-clock")
    platform = Platform(data, old("token").strip())
    tell(platform)
    assert any(row["members"] for answer in figures(platform) for row in answer)
    return platform


def require_every_service(platform: Platform) -> None:
    """Services that the old release had not yet are there, each with a database whose clock is that of the others, and read the whole log."""
    found = platform.status()["services"]
    assert (list(found), {service["ready"] for service in found.values()}) == (list(SERVICES), {True})
    assert len(asyncio.run(shifts(platform))) == 1
    until(platform.settled, "the log is read", 120)


async def shifts(platform: Platform) -> set[timedelta]:
    """By how much the clocks of the databases are turned."""
    found = set()
    for service in SERVICES:
        conn = await asyncpg.connect(Stack(platform.data).dsn(service, "owner"))
        found.add(await conn.fetchval("SELECT shift FROM clock_shift"))
        await conn.close()
    return found


def goes_on(platform: Platform) -> None:
    """This release takes commands, closes days, and finds nothing that differs or is held."""
    data = platform.data
    assert platform.get("metrics", "/v1/durations").status_code == 200
    firm = {"name": "升级后的厂", "park": "K1-P001", "settled_on": "2024-05-05"}
    made = platform.post("registry", "/v1/enterprises", firm).raise_for_status().json()["id"]
    open_a_case(platform, made)
    until(platform.settled, "what is said afterwards is projected")
    until(lambda: closed_day(platform) is not None, "days are closed", 400)
    turn(platform, lambda: parkunion("clock", "advance", "1d", "--data", data).stdout)
    assert cases_open(platform) == 1
    assert parkunion("audit", "--data", data).returncode == 0
    assert parkunion("reconcile", "--data", data).returncode == 0
    assert all(service["held"] == 0 for service in platform.status()["services"].values())


def open_a_case(platform: Platform, enterprise: str) -> None:
    """At the service that the old release did not have."""
    token = parkunion("token", "--data", platform.data).stdout.strip()
    case = {"enterprise_id": enterprise, "kind": "wage_arrears", "occurred_on": "2024-05-06", "reported_on": "2024-05-06"}
    # It has read of the enterprise a little later.
    until(lambda: platform.post("cases", "/v1/cases", case, token).status_code == 201, "a case is opened")


def cases_open(platform: Platform) -> int:
    """By metrics' statistics."""
    answer = platform.get("metrics", "/v1/statistics/cases_open", as_of="2024-06-01").raise_for_status().json()
    return int(answer["n"])


def figures(platform: Platform, **known: str) -> list[Any]:
    answers = [platform.get("metrics", "/v1/coverage", **question, **known).raise_for_status().json() for question in QUESTIONS]
    assert not known or all(answer["provisional"] == [] for answer in answers)
    return [_as_now(answer["rows"]) for answer in answers]


def _as_now(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of any release: the parts of a rate by their present names, without findings, which 0.1 and 0.2 have not."""
    names = {"n": "numerator", "d": "denominator"}
    return [
        {
            name: {names.get(part, part): one for part, one in value.items()} if isinstance(value, dict) else value
            for name, value in row.items()
            if name != "findings"
        }
        for row in rows
    ]


def durations(platform: Platform) -> list[Any]:
    return [platform.get("metrics", "/v1/durations", **question).raise_for_status().json()["rows"] for question in WAITS]


def serving(listed: str) -> dict[str, int]:
    """The generation that answers, of what `generations --json` says."""
    (found,) = [row for row in json.loads(listed) if row["status"] == "serving"]
    return {"id": found["id"], "fold_version": found["fold_version"]}
