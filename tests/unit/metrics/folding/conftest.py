"""Histories are sorted by stream, as large batches are; tests/unit/shared/sequencing holds both ways to the same rules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.sequencing import sorting


@pytest.fixture(scope="module", autouse=True)
def by_stream() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "FEW", 1)
        yield
