"""Every rule of sorting holds whether records are dealt with by stream or one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.sequencing import sorting


@pytest.fixture(params=[1, 10_000], ids=["by-stream", "one-by-one"], scope="module", autouse=True)
def few(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "FEW", request.param)
        yield
