"""Each kept release in turn, or those that a test names with `@of(…)`, and who signs the tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.migrations.kept import KEPT, Issuer, serving


@pytest.fixture(scope="module", params=KEPT, ids=lambda path: path.name)
def kept(request: pytest.FixtureRequest) -> Path:
    """The folder of a release."""
    folder: Path = request.param
    return folder


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    yield from serving(Issuer())
