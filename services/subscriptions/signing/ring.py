"""The keys that a process has opened, by name: opening one takes longer than signing with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.subscriptions.signing import store
from services.subscriptions.signing.sealing import Sealing
from services.subscriptions.signing.standard_webhooks import Signer
from shared.process.db import Connection

MOST = 20_000


class OpenedKeys:
    """`of` gives keys that `load` has opened before."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing
        self._opened: dict[str, Signer] = {}

    async def load(self, conn: Connection, kids: Iterable[str]) -> None:
        """Open those of these keys that are not open yet."""
        if missing := {kid for kid in kids if kid not in self._opened}:
            if len(self._opened) + len(missing) > MOST:
                self._opened.clear()
                missing = set(kids)
            self._opened |= await store.opened(conn, self._sealing, missing)

    def of(self, kids: Sequence[str]) -> list[Signer]:
        """These keys. Raises KeyError for one that was not loaded."""
        return [self._opened[kid] for kid in kids]
