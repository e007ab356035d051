"""Loads a synthetic city (samples/city) quarter by quarter, the services concurrently."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from deploy.local.loading.batches import Sender, batch_line
from deploy.local.loading.records import ALREADY_THERE, run_concurrently
from samples.city import Answer, City, Command, UnresolvedReferenceError, dependency_batches, quarters, with_ids
from samples.city.command_log import SERVICES
from shared.problems.errors import FieldError

QUARTERS_AHEAD = 2
"""Quarters that the registry may be ahead of the others, so that figures grow with the years."""
OTHERS = tuple(service for service in SERVICES if service != "registry")


async def load_city(sender: Sender, city: City) -> None:
    """Load all commands in their order, as far as they depend on it. Raises UserError; another run continues."""
    loading = _Loading(sender, city)
    registry = asyncio.create_task(loading.registry())
    try:
        await loading.others()
        await registry
    finally:
        registry.cancel()
        await asyncio.gather(registry, return_exceptions=True)


class _Loading:
    """The state of one load: the answers so far, and the quarters that the registry has."""

    def __init__(self, sender: Sender, city: City) -> None:
        self._sender = sender
        self._quarters = list(quarters(city.commands))
        self._row = {command.key: number for commands in _by_service(city.commands) for number, command in enumerate(commands, 1)}
        self._answers: dict[str, Answer] = {}
        self._ahead = asyncio.Semaphore(QUARTERS_AHEAD)
        self._registered: asyncio.Queue[Exception | None] = asyncio.Queue()

    async def registry(self) -> None:
        """Load the registry's commands; `others` gets a None per finished quarter, or the error."""
        try:
            for commands in self._quarters:
                await self._ahead.acquire()
                await self._send([command for command in commands if command.service == "registry"])
                self._registered.put_nowait(None)
        except Exception as error:
            self._registered.put_nowait(error)

    async def others(self) -> None:
        """Load the commands of membership and cases, each quarter after the registry's."""
        for commands in self._quarters:
            if (error := await self._registered.get()) is not None:
                raise error
            sending = (self._send([command for command in commands if command.service == service]) for service in OTHERS)
            await run_concurrently(sending, len(OTHERS))
            self._ahead.release()

    async def _send(self, commands: Sequence[Command]) -> None:
        for batch in dependency_batches(commands):
            resolved = self._resolved(batch)
            lines = [batch_line(command.op, command.key, body, self._row[command.key], command.key) for command, body in resolved]
            answers = await self._sender.send(resolved[0][0].service, lines, ALREADY_THERE) if resolved else []
            for (command, _), answer in zip(resolved, answers, strict=True):
                if answer is not None and answer.id is not None:
                    self._answers[command.key] = Answer(answer.id, answer.event_ids)

    def _resolved(self, batch: Sequence[Command]) -> list[tuple[Command, dict[str, object]]]:
        """The commands with ids in place of references; one that refers to a refused command is refused."""
        resolved = []
        for command in batch:
            try:
                resolved.append((command, with_ids(command.body, self._answers)))
            except UnresolvedReferenceError as unresolved:
                error = FieldError("NOT_LOADED_BEFORE_IT", None, self._row[command.key], {"what": str(unresolved)})
                self._sender.refuse(command.op, [error])
        return resolved


def _by_service(commands: Sequence[Command]) -> list[list[Command]]:
    return [[command for command in commands if command.service == service] for service in SERVICES]
