"""docs/dependencies.md names every direct dependency and every jar, each with its licence."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from importlib.metadata import metadata

import pytest

from bench.peers import java_environment
from deploy.local.folder import ROOT
from deploy.local.servers import jars

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = [
    re.split(r"[^A-Za-z0-9_.-]", requirement)[0]
    for requirements in (PYPROJECT["dependencies"], *PYPROJECT["optional-dependencies"].values())
    for requirement in requirements
]
ROWS = {
    cells[0]: cells[-1]
    for line in (ROOT / "docs" / "dependencies.md").read_text().splitlines()
    if line.startswith("| ") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 3
}
NOT_IN_METADATA = {"axe-playwright-python": "MIT"}


def licence(package: str) -> str:
    found = metadata(package).json
    classifiers = [c.split(" :: ")[-1] for c in found.get("classifier", []) if c.startswith("License")]
    return str(found.get("license_expression") or " / ".join(classifiers) or found.get("license") or NOT_IN_METADATA[package])


@pytest.mark.parametrize("package", DIRECT)
def test_every_direct_dependency_is_listed_with_the_licence_of_its_metadata(package: str) -> None:
    assert ROWS.get(package) == licence(package)


JARS = {**jars.locked(), **java_environment.locked()}


@pytest.mark.parametrize("coordinate", JARS)
def test_every_jar_is_listed_with_a_licence(coordinate: str) -> None:
    artifact = coordinate.split(":")[1]
    assert any(fnmatch.fnmatch(artifact, pattern) and text for pattern, text in ROWS.items())


def test_the_document_lists_nothing_that_is_not_used() -> None:
    artifacts = {coordinate.split(":")[1] for coordinate in JARS}
    others = {"package", "artifact", "what", "---", "kafka*", "flink*"} | set(DIRECT) | artifacts
    unknown = [name for name in ROWS if name not in others]
    assert all(name.startswith(("PostgreSQL", "Temurin", "uv", "Chromium")) for name in unknown), unknown
