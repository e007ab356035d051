"""No test gives up because the machine is slow: what tests wait for has PATIENCE seconds (tests/patience.py)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
LEAST = PATIENCE / 2
WAITING = {"timeout": 0, "wait_for": 1, "until": 1}
"""{function: place of its argument of seconds}."""
TRIED_AGAIN = {
    "tests/chaos/disturbances.py": "a broker that was killed may not answer",
    "tests/chaos/takeover.py": "asks again and again",
    "tests/conftest.py": "a pool that does not close is left alone",
    "tests/integration/shared/journal/test_day_closing.py": "nothing comes",
    "tests/migrations/rolling.py": "asks again and again",
}
"""Files in which a short time is no failure, and why."""


def impatient(tree: ast.AST) -> Iterator[int]:
    """The lines with a number of seconds (or, of Playwright, milliseconds) below LEAST, and with a client of httpx that has its default of five."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        times = [given[key] for key in ("timeout", "seconds") if key in given and name != "timedelta"]
        if name in WAITING:
            times += call.args[WAITING[name] : WAITING[name] + 1]
        numbers = [time.value for time in times if isinstance(time, ast.Constant) and isinstance(time.value, int | float)]
        if any((number / 1000 if number >= 1000 else number) < LEAST for number in numbers):
            yield call.lineno
        of_httpx = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "httpx"
        if (
            of_httpx
            and name in ("get", "post", "request", "stream", "Client", "AsyncClient")
            and not given.keys() & {"timeout", "transport"}
        ):
            yield call.lineno


def test_no_test_waits_for_less_than_a_slow_machine_needs() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        if str(path.relative_to(ROOT)) not in TRIED_AGAIN
        for line in impatient(ast.parse(path.read_text("utf-8")))
    ]
    assert found == []


def test_what_is_impatient_is_found() -> None:
    program = """
async def f():
    async with asyncio.timeout(5):
        await wait_for(lambda: True, 5)
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as http:
        await expect(page).to_have_text("x", timeout=15_000)
        httpx.get("http://x", timeout=60)
        timedelta(seconds=1)
"""
    assert sorted(impatient(ast.parse(program))) == [3, 4, 5, 6]
