"""The metrics API of a deployment whose officers sign in at a provider: the local issuer, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local.folder import Folder
from deploy.local.servers.issuer import Issuer
from deploy.local.servers.people import Person
from tests.conftest import Database
from tests.integration.metrics.server import MetricsServer, server_of

OFFICER = Person("wang", "correct horse", "王芳", ("C01A",))
EVERYONE = Person("city", "battery staple", "市总", ("*",))
STRANGER = Person("stranger", "no scope", "x", ("C01A",), ("registry:read",))


@pytest.fixture(name="issuer")
def issuer_of_a_test(tmp_path: Path) -> Iterator[Issuer]:
    """The provider, with three people."""
    folder = Folder(tmp_path)
    folder.prepare()
    made = Issuer(folder, 0, [OFFICER, EVERYONE, STRANGER])
    made.start()
    yield made
    made.stop()


def settings_of_provider(issuer: Issuer) -> dict[str, Any]:
    """The settings of a service whose tokens and sign-ins are the issuer's."""
    return {"issuer": issuer.url, "jwks_url": issuer.jwks_url, "sign_in_issuer": issuer.url}


@asynccontextmanager
async def deployed(database: Database, issuer: Issuer, **changes: Any) -> AsyncIterator[MetricsServer]:
    """A server of a city with one district, whose officers sign in at the issuer."""
    async with server_of(database, own_tokens=False, **{**settings_of_provider(issuer), **changes}) as server:
        issuer.return_to(f"{server.url}/sign-in/callback")
        server.metrics.area("C01", None, "示例市")
        server.metrics.area("C01A", "C01", "示例区")
        await server.metrics.fold()
        yield server
