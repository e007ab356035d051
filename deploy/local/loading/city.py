"""Loads a synthetic city (samples/city): quarter after quarter of what was typed in, the registry's half and membership's side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from deploy.local.loading.batches import Refusal, Sender
from deploy.local.loading.sample import ALREADY_THERE, line
from samples.city import Answer, City, Command, Unanswered, filled, quarters, waves
from shared.problems.errors import FieldError

QUARTERS_AHEAD = 2
"""By how many quarters the registry may be ahead of membership, so that figures grow with the years."""


async def load_city(sender: Sender, city: City) -> None:
    """Everything in the order of entry, as far as it matters. Raises Trouble; what is in by then is found again at the next run."""
    loading = _Loading(sender, city)
    registry = asyncio.create_task(loading.registry())
    try:
        await loading.membership()
        await registry
    finally:
        registry.cancel()
        await asyncio.gather(registry, return_exceptions=True)


class _Loading:
    """The state of one load: what was answered so far, and which quarters the registry has."""

    def __init__(self, sender: Sender, city: City) -> None:
        self._sender = sender
        self._quarters = list(quarters(city.commands))
        self._row = {command.key: number for commands in _by_service(city.commands) for number, command in enumerate(commands, 1)}
        self._answers: dict[str, Answer] = {}
        self._ahead = asyncio.Semaphore(QUARTERS_AHEAD)
        self._registered: asyncio.Queue[Exception | None] = asyncio.Queue()

    async def registry(self) -> None:
        """The registry's half; membership hears of each quarter that is done, or why there is no more."""
        try:
            for commands in self._quarters:
                await self._ahead.acquire()
                await self._send([command for command in commands if command.service == "registry"])
                self._registered.put_nowait(None)
        except Exception as error:
            self._registered.put_nowait(error)

    async def membership(self) -> None:
        """Membership's half, each quarter once the registry has it."""
        for commands in self._quarters:
            if (error := await self._registered.get()) is not None:
                raise error
            await self._send([command for command in commands if command.service == "membership"])
            self._ahead.release()

    async def _send(self, commands: Sequence[Command]) -> None:
        for wave in waves(commands):
            known = self._known(wave)
            lines = [line(command.op, command.key, body) for command, body in known]
            rows = [self._row[command.key] for command, _ in known]
            answers = (
                await self._sender.send_mixed(known[0][0].service, [c.op for c, _ in known], lines, rows, ALREADY_THERE) if known else []
            )
            for (command, _), answer in zip(known, answers, strict=True):
                if answer is not None and answer.id is not None:
                    self._answers[command.key] = Answer(answer.id, answer.event_ids)

    def _known(self, wave: Sequence[Command]) -> list[tuple[Command, dict[str, object]]]:
        """The commands with ids in the place of references; one that names what was refused is refused."""
        known = []
        for command in wave:
            try:
                known.append((command, filled(command.body, self._answers)))
            except Unanswered as unanswered:
                error = FieldError("NOT_LOADED_BEFORE_IT", None, self._row[command.key], {"what": str(unanswered)})
                self._sender.refuse(command.op, [Refusal.of(error, command.op)])
        return known


def _by_service(commands: Sequence[Command]) -> list[list[Command]]:
    return [[command for command in commands if command.service == service] for service in ("registry", "membership")]
