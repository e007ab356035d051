"""The pages of cases on a fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import NewDatabase
from tests.integration.cases.pages.server import PagesServer, server_of


@pytest.fixture
async def pages(database: NewDatabase) -> AsyncIterator[PagesServer]:
    async with server_of(await database("cases")) as made:
        yield made
