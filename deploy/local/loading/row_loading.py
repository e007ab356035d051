"""Loads the valid rows of a file in batches, with ids in the place of what the rows name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from deploy.local.loading.api import Apis
from deploy.local.loading.batches import MOST_LINES, BatchLine, LineAnswer, Sender, batch_line
from deploy.local.loading.kinds import Kind
from deploy.local.loading.records import run_concurrently
from deploy.local.loading.references import Made, References, mentioned
from deploy.local.loading.rows import ParsedRow

AT_ONCE = 2
"""Batches in flight, of rows that do not depend on each other."""
UNORDERED = frozenset({"member", "visit"})
"""Ops whose rows may be taken in any order. Of all others a later row may rest on an earlier one, or be compared with it."""
MAY_CHANGE = {"transfer": frozenset({"SAME_MEMBERSHIP"})}
"""{op: refusals that a later row of the file may turn into an acceptance}: who comes back is still there until the going away is entered."""
UNKNOWN_EVENT = frozenset({"UNKNOWN_EVENT"})


async def load_rows(sender: Sender, apis: Apis, rows: Iterable[ParsedRow], kind: Kind, origin: str = "") -> None:
    """Send valid rows. A row that names an earlier one goes into a later batch. What may be accepted after later rows is sent again after
    all others, as long as some of it is. Raises UserError."""
    loading = _Loading(sender, References(apis, origin), kind)
    await run_concurrently(map(loading.window, loading.windows(rows)), AT_ONCE if kind.op in UNORDERED else 1)
    put_off = loading.take_put_off()
    while put_off:
        for window in loading.windows(put_off):
            await loading.window(window)
        rest = loading.take_put_off()
        if len(rest) == len(put_off):
            loading.settle()
        put_off = rest


class _Loading:
    """One load."""

    def __init__(self, sender: Sender, references: References, kind: Kind) -> None:
        self._sender = sender
        self._references = references
        self._kind = kind
        self._may_change = MAY_CHANGE.get(kind.op, frozenset())
        self._put_off: list[ParsedRow] = []

    def take_put_off(self) -> list[ParsedRow]:
        """The rows to send again: those whose refusal may change, and those that name them."""
        rows, self._put_off = self._put_off, []
        return rows

    def settle(self) -> None:
        """From now on every refusal counts."""
        self._may_change = frozenset()

    def windows(self, rows: Iterable[ParsedRow]) -> Iterator[list[ParsedRow]]:
        """The rows in batches; no row names another of its batch."""
        window: list[ParsedRow] = []
        keys: set[str] = set()
        for row in rows:
            if len(window) == MOST_LINES or (self._kind.names_its_own and not keys.isdisjoint(self._named_by(row))):
                yield window
                window, keys = [], set()
            window.append(row)
            keys.add(row.key)
        if window:
            yield window

    def _named_by(self, row: ParsedRow) -> Iterator[str]:
        return (key for mention, name in mentioned(self._kind, row) for _, key in self._references.keys_of(mention, name))

    async def window(self, window: Sequence[ParsedRow]) -> None:
        """Send one batch, and what follows from its rows."""
        await self._references.learn(self._kind, window)
        resolved = []
        waiting = {row.key for row in self._put_off}
        for row in window:
            if waiting and not waiting.isdisjoint(self._named_by(row)):
                waiting.add(row.key)
                self._put_off.append(row)
            elif errors := self._references.resolve(self._kind, row):
                self._sender.refuse(self._kind.op, errors)
                self._references.made(row.key, None)
            else:
                resolved.append(row)
        for service in self._kind.services:
            own = [row for row in resolved if row.service == service]
            answers = await self._send(service, own, self._may_change)
            self._put_off += [row for row, answer in zip(own, answers, strict=True) if answer is not None and answer.problem is not None]
            await self._report(service, own, answers)
        await self._send_anywhere([row for row in resolved if row.service is None])

    async def _send_anywhere(self, rows: list[ParsedRow]) -> None:
        """Send corrections that name an event by its id, and not the service that has it, to one service after the other."""
        for service in self._kind.services:
            last = service == self._kind.services[-1]
            answers = await self._send(service, rows, frozenset() if last else UNKNOWN_EVENT)
            rows = [row for row, answer in zip(rows, answers, strict=True) if answer is not None and answer.problem is not None]

    async def _send(self, service: str, rows: Sequence[ParsedRow], pass_on: frozenset[str] = frozenset()) -> list[LineAnswer | None]:
        lines = [batch_line(self._kind.op, row.key, row.body, row.number, row.own_key) for row in rows]
        answers = await self._sender.send(service, lines, pass_on=pass_on)
        for row, answer in zip(rows, answers, strict=True) if self._kind.names_its_own else ():
            if answer is None or answer.problem is None:
                made = Made(service, answer.id, tuple(answer.event_ids)) if answer is not None and answer.id is not None else None
                self._references.made(row.key, made)
        return answers

    async def _report(self, service: str, rows: Sequence[ParsedRow], answers: Sequence[LineAnswer | None]) -> None:
        """The first headcounts of enterprises."""
        op = self._kind.first_report
        reports: list[BatchLine] = []
        for row, answer in zip(rows, answers, strict=True):
            if row.headcount is None or op is None:
                continue
            if answer is None:
                self._sender.skip(op, row.number, 1, self._kind.op)
                continue
            name = f"{row.own_key}/{op}" if row.own_key else None
            reports.append(batch_line(op, f"{row.key}/{op}", {"enterprise_id": answer.id, **row.headcount}, row.number, name))
        await self._sender.send(service, reports)
