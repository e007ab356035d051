"""What documents name is there: links, paths, and every module in the README of its room."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCTION = ("shared", "services", "deploy", "samples", "bench")
ROOMS = ("", *PRODUCTION, "tests", "docs")
NAMELESS = {"__init__.py", "__main__.py"}
OF_EVERY_SERVICE = {"app.py", "settings.py"}
"""`test_rooms` asks for them."""
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
PATH = re.compile(r"`((?:shared|services|deploy|samples|bench|tests|docs)/[^`\s]*)`")
PATH_IN_CODE = re.compile(r"(?<![\w/.-])((?:shared|services|deploy|samples|bench|tests|docs)/[\w/.-]*\.(?:py|sql|md|json|csv))\b")
PATTERN = re.compile(r"[*<…]")
MADE_BY_RUNS = "bench/out/"
RELEASED = {"services/metrics/migrations/0001_generation_1.sql"}
"""A migration that a release has applied keeps its bytes, whatever has moved since (shared/process/migrate.py)."""


def files(*endings: str, rooms: Iterable[str] = ROOMS) -> list[str]:
    """Files of the repository that end so, in order; without a room those of the root."""
    found = [path for room in rooms for ending in endings for path in (ROOT / room).glob(f"**/*{ending}" if room else f"*{ending}")]
    return sorted(str(path.relative_to(ROOT)) for path in found if path.is_file())


PAGES = files(".md")
READMES = [name for name in PAGES if name.endswith("README.md")]


def modules_in_tables(readme: str) -> Iterator[str]:
    """What the first column of the tables of a README names as Python files, relative to it."""
    for line in (ROOT / readme).read_text("utf-8").splitlines():
        if line.startswith("|"):
            yield from re.findall(r"`([\w./]+\.py)`", line.split("|")[1])


def test_there_are_pages() -> None:
    assert {"README.md", "docs/design/ENGINE.md", "shared/reading/README.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_or_names_is_in_the_repository(page: str) -> None:
    text, folder = (ROOT / page).read_text("utf-8"), (ROOT / page).parent
    links = [link for link in LINK.findall(text) if ":" not in link and not (folder / link).exists()]
    paths = [
        path
        for path in PATH.findall(text)
        if not PATTERN.search(path) and not path.startswith(MADE_BY_RUNS) and not (ROOT / path.split("::")[0]).exists()
    ]
    assert not links + paths


def test_what_code_and_statements_name_is_in_the_repository() -> None:
    missing = [
        f"{name}: {path}"
        for name in files(".py", ".sql", "Makefile", rooms=("", *PRODUCTION))
        if name not in RELEASED
        for path in PATH_IN_CODE.findall((ROOT / name).read_text("utf-8"))
        if not path.startswith(MADE_BY_RUNS) and not (ROOT / path).exists()
    ]
    assert not missing


def test_every_module_is_named_in_the_readme_of_its_room() -> None:
    unnamed = [
        str(module)
        for module in map(Path, files(".py", rooms=PRODUCTION))
        if (readme := ROOT / module.parent / "README.md").exists()
        and module.name not in NAMELESS
        and not (module.parent.parent == Path("services") and module.name in OF_EVERY_SERVICE)
        and not re.search(rf"(?<![\w/.]){re.escape(module.name)}`", readme.read_text("utf-8"))
    ]
    assert not unnamed


def test_every_module_in_the_table_of_a_readme_is_there() -> None:
    gone = [
        f"{readme}: {name}"
        for readme in READMES
        for name in modules_in_tables(readme)
        if not any((base / name).exists() for base in ((ROOT / readme).parent, ROOT))
    ]
    assert not gone
