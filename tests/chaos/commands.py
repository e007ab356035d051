"""Commands of the load: synthetic cities (samples/city) in turn; a command is ready once all commands that it needs are answered."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import count
from typing import Any

from samples.city import Answer, City, Command, Scenario, UnresolvedReferenceError, references, with_ids
from samples.city.adapter import AREA_KEYS
from samples.city.command_log import SERVICES, Service, key_of
from services.cases.facts import TABLE as CASES
from services.membership.facts import TABLE as MEMBERSHIP
from services.registry.facts import TABLE as REGISTRY

LAST_DAY = date(2025, 6, 30)
FIRMS, YEARS = 40, 2
FEWEST_READY = 200
"""With fewer commands ready the next city starts."""
PATHS: Mapping[str, tuple[str, str | None]] = {
    **{
        op: (re.sub(r"{.*}", "{}", f"/v1{row.path}"), row.path_id)
        for table in (REGISTRY, MEMBERSHIP, CASES)
        for op, row in table.ops.items()
    },
    "correction": ("/v1/corrections", None),
    "withdrawal": ("/v1/withdrawals", None),
}
"""{op: (route, field of the batch's body that is part of the route)}; a withdrawal is no line of a batch"""


def routed(op: str, body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """(path, body) of the single command that equals a batch's line."""
    path, field = PATHS[op]
    return path.format(body.get(field) if field else ""), {name: value for name, value in body.items() if name != field}


class CommandQueue:
    """Commands that wait for the commands they need: those of the ids that they name, and the last one before about the same stream."""

    def __init__(self, seed: int) -> None:
        self._seeds = count(seed % 2**32)
        self._answers: dict[str, Answer] = {}
        self._last: dict[str, str] = {}
        self._settled: set[str] = set()
        self._waits: dict[str, int] = {}
        self._behind: dict[str, list[Command]] = defaultdict(list)
        self._ready: dict[Service, list[Command]] = {service: [] for service in SERVICES}
        self.never_sent = 0
        """Commands that were not sent, since a command they need was refused."""

    def take(self, service: Service, most: int) -> list[tuple[Command, dict[str, Any]]]:
        """Up to `most` commands that may be sent now, with ids for references. None of them needs another."""
        if sum(map(len, self._ready.values())) < FEWEST_READY:
            self._start_a_city()
        taken = self._ready[service][:most]
        del self._ready[service][:most]
        return list(self._filled(taken))

    def settle(self, key: str, answer: Answer | None) -> None:
        """The command was answered (None: refused). Commands that need it may be sent."""
        self._settled.add(key)
        if answer is not None:
            self._answers[key] = answer
        for command in self._behind.pop(key, []):
            self._waits[command.key] -= 1
            if not self._waits[command.key]:
                # At the front, so that a city is finished before many are started.
                self._ready[command.service].insert(0, command)

    def _filled(self, commands: list[Command]) -> Iterator[tuple[Command, dict[str, Any]]]:
        for command in commands:
            try:
                yield command, with_ids(command.body, self._answers)
            except UnresolvedReferenceError:
                self.never_sent += 1
                self.settle(command.key, None)

    def _start_a_city(self) -> None:
        for command in City(Scenario(LAST_DAY, FIRMS, YEARS, next(self._seeds))).commands:
            if command.key in self._last:
                continue  # areas are the same in all cities
            needs = {key_of(reference) for reference in references(command.body)}
            needs |= {self._last[name] for name in command.order_keys if name in self._last}
            needs |= {f"{AREA_KEYS}/{command.body[field]}" for field in ("park", "seat_area", "area") if field in command.body}
            for name in (command.key, *command.order_keys):
                self._last[name] = command.key
            waits = [key for key in needs if key not in self._settled]
            self._waits[command.key] = len(waits)
            for key in waits:
                self._behind[key].append(command)
            if not waits:
                self._ready[command.service].append(command)
