"""A TCP proxy in front of PostgreSQL that cuts a connection at the worst moment: COMMIT was sent, its answer is lost.

The client cannot know whether its transaction happened. `async with CuttingProxy(host, port, chance) as proxy:` and let clients connect to
`proxy.port`; `proxy.cuts` counts. A commit is cut before or after it has reached the server, both with the same chance.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from types import TracebackType

COMMIT = re.compile(rb"COMMIT[;\0]")
"""As asyncpg's transactions end, and as `shared.process.db.transaction` does."""
CHUNK = 65536


class CuttingProxy:
    """Cuts every commit with probability `chance`, in an order that `seed` chooses, while `cutting` is true."""

    def __init__(self, host: str, port: int, chance: float, seed: int) -> None:
        self._target = (host, port)
        self._chance = chance
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.cutting = True
        self.cuts = 0
        self.reaches: bool | None = None
        """Whether a commit that is cut reaches the server; None: by chance."""
        self.refuses = False
        """Whether new connections are refused."""
        self.cut_at = 0
        """If not 0: the connection is cut at so many messages of clients from now on, whatever they are."""

    @property
    def port(self) -> int:
        """Where to connect instead."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> CuttingProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        try:
            if self.refuses:
                raise ConnectionRefusedError
            server, asks = await asyncio.open_connection(*self._target)
        except OSError:
            answers.close()
            return
        back = asyncio.create_task(self._pass(server, answers))
        forth = asyncio.create_task(self._watch(client, asks, back))
        self._tasks |= {back, forth}
        try:
            await asyncio.wait({back, forth}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (back, forth):
                task.cancel()
            await asyncio.gather(back, forth, return_exceptions=True)
            self._tasks -= {back, forth}
            for writer in (asks, answers):
                writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                writer.write(chunk)
                await writer.drain()

    def _cuts(self, chunk: bytes) -> bool:
        if self.cut_at:
            self.cut_at -= 1
            return self.cut_at == 0
        return self.cutting and COMMIT.search(chunk) is not None and self._random.random() < self._chance

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.Task[None]) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if self._cuts(chunk):
                    self.cuts += 1
                    if self.reaches or (self.reaches is None and self._random.random() < 0.5):
                        # The server commits; what it answers goes nowhere.
                        back.cancel()
                        writer.write(chunk)
                        await writer.drain()
                        await asyncio.sleep(0)
                    return
                writer.write(chunk)
                await writer.drain()
