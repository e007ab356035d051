"""A portal on a fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import NewDatabase
from tests.integration.subscriptions.portal.server import PortalServer, server_of


@pytest.fixture
async def portal(database: NewDatabase) -> AsyncIterator[PortalServer]:
    async with server_of(await database("subscriptions")) as made:
        await made.rows.areas()
        yield made
