"""The house keeps its shape: the same files in every service, one clock, settings in one place, rooms that stay small."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent for path in (ROOT / "services").glob("*/__main__.py"))
FILES = ("README.md", "__main__.py", "settings.py", "app.py")
MOST_MODULES = 12
LONGEST_FILE = 300


def sources() -> Iterator[tuple[str, str]]:
    """(path from the root, text) of every Python file that runs in production."""
    for metrics in ("shared", "services", "deploy", "samples"):
        for path in sorted((ROOT / metrics).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text("utf-8")


def test_there_are_services() -> None:
    assert {path.name for path in SERVICES} >= {"registry", "membership", "metrics"}


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_every_service_has_the_same_files(service: Path) -> None:
    missing = [name for name in FILES if not (service / name).exists()]
    assert not missing
    assert list((service / "migrations").glob("[0-9][0-9][0-9][0-9]_*.sql"))


def test_a_room_has_about_ten_modules() -> None:
    rooms = Counter(str(Path(path).parent) for path, _ in sources() if not path.endswith("__init__.py"))
    assert not {room: modules for room, modules in rooms.items() if modules > MOST_MODULES}


def test_only_the_clock_knows_the_time() -> None:
    wall = re.compile(r"datetime\.now\(|datetime\.utcnow\(|date\.today\(|\btime\.time\(")
    offenders = [
        path for path, text in sources() if wall.search(text) and path != "shared/process/clock.py" and not path.startswith("deploy/")
    ]
    assert not offenders


def test_sql_asks_parkunion_now_and_never_the_wall_clock() -> None:
    wall = re.compile(
        r"(?<!\.)\bnow\(\)|current_timestamp|current_date|localtimestamp|statement_timestamp|transaction_timestamp", re.IGNORECASE
    )
    texts = [*sources(), *((str(p.relative_to(ROOT)), p.read_text("utf-8")) for p in ROOT.glob("s*/**/*.sql"))]
    offenders = [
        f"{path}: {line.strip()}"
        for path, text in texts
        for line in text.splitlines()
        if wall.search(line.replace("parkunion_now()", "").replace("utc_now()", ""))
        and "clock.now" not in line
        and not path.startswith("deploy/")
    ]
    assert not offenders


def test_errors_of_groups_are_not_caught_with_a_star() -> None:
    """Python 3.11.2, which Debian 12 has, wraps what is raised inside `except*` in another group; 3.11.7 does not. An error that callers catch, or the
    SystemExit of a command, is then neither."""
    assert not [f"{path}:{node.lineno}" for path, text in sources() for node in ast.walk(ast.parse(text)) if isinstance(node, ast.TryStar)]


def test_no_set_is_less_the_keys_of_a_mapping() -> None:
    """`wanted - mapping.keys()` looks at every key: of a cache that holds a city it took 16 % of a projector's time. Say `{x for x in wanted if x not in
    mapping}`."""
    assert not [f"{path}:{line}" for path, text in sources() for line in less_keys(text)]


def test_a_set_less_keys_is_found() -> None:
    assert sorted(less_keys("a - b.c.keys()\na.keys() - b\n{*a} - (b.keys())\na -= b.keys()")) == [1, 3, 4]


def less_keys(text: str) -> Iterator[int]:
    """The lines in which the keys of a mapping are subtracted."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Sub):
            taken = node.right if isinstance(node, ast.BinOp) else node.value
            if isinstance(taken, ast.Call) and isinstance(taken.func, ast.Attribute) and taken.func.attr == "keys":
                yield node.lineno


def test_the_environment_is_read_by_settings_alone() -> None:
    offenders = [
        path
        for path, text in sources()
        if re.search(r"os\.environ|os\.getenv", text) and not path.endswith("settings.py") and not path.startswith("deploy/")
    ]
    assert not offenders


def test_only_bodies_routes_and_settings_know_pydantic_models() -> None:
    offenders = [
        path
        for path, text in sources()
        if path.startswith("services/")
        and re.search(r"^from pydantic import", text, re.MULTILINE)
        and Path(path).name not in {"answers.py", "api.py", "bodies.py", "events.py", "routes.py", "schemas.py", "settings.py"}
        and Path(path).parent.name != "routes"
    ]
    assert not offenders


def test_no_room_holds_two_things() -> None:
    long = {path: text.count("\n") for path, text in sources() if text.count("\n") > LONGEST_FILE}
    assert not long


def test_no_name_says_nothing() -> None:
    empty = {"utils", "helpers", "common", "manager", "base", "misc"}
    assert not [path for path, _ in sources() if Path(path).stem in empty]


def test_lines_of_the_design_have_at_most_140_characters() -> None:
    pages = (ROOT / "docs" / "design").glob("*.md")
    assert not [f"{page.name}:{n}" for page in pages for n, line in enumerate(page.read_text("utf-8").splitlines(), 1) if len(line) > 140]


def test_every_package_has_a_readme() -> None:
    packages = {Path(path).parent for path, _ in sources() if not path.endswith("__init__.py")} - {Path("deploy/local")}
    assert not sorted(str(package) for package in packages if not (ROOT / package / "README.md").exists())
