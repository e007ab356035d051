"""One running stack with a test clock for all tests of this folder, which go to one worker (tests/conftest.py).

The tests run in the order of their files: test_generations counts every event, so it comes before anything that moves the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.platform import Platform, until
from tests.in_memory import stack_in_memory


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Two areas and three enterprises of forty workers, all projected: eight events."""
    # Users name folders like this.
    with stack_in_memory(tmp_path_factory, "stack") as place:
        yield from _platform(place / "工会 平台, é")


def _platform(folder: Path) -> Iterator[Platform]:
    folder.mkdir(0o700)
    platform = Platform.start(folder, "--test-clock")
    try:
        for code, kind, parent in (("C", "division", None), ("C-P001", "park", "C")):
            platform.post("registry", "/v1/areas", {"code": code, "name": f"示例{code}", "kind": kind, "parent": parent}).raise_for_status()
        for number in range(3):
            body = {"name": f"示例企业{number}", "park": "C-P001", "settled_on": "2024-01-02"}
            made = platform.post("registry", "/v1/enterprises", body).raise_for_status().json()["id"]
            platform.post("registry", f"/v1/enterprises/{made}/headcounts", {"on": "2024-02-01", "workers": 40}).raise_for_status()
        until(platform.settled, "everything projected")
        yield platform
    finally:
        platform.discard()
