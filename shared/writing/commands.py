"""Commands are carried out once: a repeated idempotency key answers what it answered first, in one batch and for 30 days.

One command is a batch of one line. `Work` (`shared/writing/carry_out.py`) decides and writes the lines, and checks the grants of repeats.
A command without a key gets one from its route (`fresh`): if the answer to COMMIT is lost, its caller is told the key and can ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar

import msgspec

from shared.http.auth import Areas
from shared.journal import idempotency, journal
from shared.journal.idempotency import Entry, Kept, Keys, Lines, Mismatch, Result
from shared.problems.errors import Problem, Unprocessable
from shared.problems.preconditions import Expected
from shared.process.db import Connection, Pool, run_command

C = TypeVar("C")
D = TypeVar("D")

Outcome: TypeAlias = Result | Problem
"""The answer to a line, or why it is refused."""


class Line(msgspec.Struct, Generic[C], frozen=True):
    """One command; `key` and `fingerprint` make it repeatable. `fresh`: the service made the key, so nobody can have used it.

    `expected`: ETags of which that of the changed resource must be one (If-Match); None: any. `number`: of the line in its batch.
    `traceparent`: the trace of its events; None: that of the request which carries the line out.
    """

    command: C
    key: str | None = None
    fingerprint: bytes = b""
    expected: Expected = None
    fresh: bool = False
    number: int = 1
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class BatchKey:
    """The key of a whole batch, which is also that of its lines without one; `fresh` as in Line."""

    key: str
    fingerprint: bytes
    fresh: bool = False


class Work(Protocol[D]):
    """What a service does with lines, for one caller."""

    async def __call__(self, conn: Connection, lines: Sequence[Line[D]]) -> Sequence[Outcome]:
        """Carry out lines in this transaction; one outcome per line."""

    async def repeats(self, conn: Connection, results: Sequence[Result]) -> Sequence[Problem | None]:
        """Whether the caller may have these results, which earlier lines were answered: per result None, or why not."""


@dataclass(frozen=True, slots=True)
class Executed:
    """The outcome of each line, and the results of those that this transaction carried out."""

    outcomes: list[Outcome]
    made: list[Result] = field(default_factory=list)


async def one(pool: Pool, keys: Keys, client: str, line: Line[C], work: Work[C]) -> Result:
    """Carry out one command in a transaction of its own. Raises the problem for which it is refused; the transaction is then rolled back.

    Raises db.OutcomeUnknownError if nobody can tell whether it was carried out.
    """

    async def alone(conn: Connection) -> Executed:
        executed = await execute(conn, keys, client, [line], work)
        if isinstance(executed.outcomes[0], Problem):
            raise executed.outcomes[0]
        return executed

    outcome = (await run_command(pool, alone, areas=Areas.all(), happened=_happened)).outcomes[0]
    assert not isinstance(outcome, Problem)
    return outcome


async def many(
    pool: Pool, keys: Keys, client: str, lines: Sequence[Line[C]], work: Work[C], batch: BatchKey | None = None
) -> list[Outcome]:
    """Carry out all lines in one transaction. It sees every area: grants are checked line by line.

    Raises IDEMPOTENCY_KEY_REUSED (422) if the batch's own key was used for another request; db.OutcomeUnknownError as `one`.
    """

    async def together(conn: Connection) -> Executed:
        return await execute(conn, keys, client, lines, work, batch)

    return (await run_command(pool, together, areas=Areas.all(), happened=_happened)).outcomes


async def _happened(conn: Connection, executed: Executed) -> bool:
    """Whether a transaction was committed: by the first event that it recorded. One without events changed nothing."""
    made = next((result for result in executed.made if result.event_ids), None)
    return made is None or await journal.recorded(conn, made.subject, made.event_ids[0])


async def execute(
    conn: Connection, keys: Keys, client: str, lines: Sequence[Line[C]], work: Work[C], batch: BatchKey | None = None
) -> Executed:
    """Carry out all lines in this transaction; one outcome per line.

    A key that was used for another command refuses its line with IDEMPOTENCY_KEY_REUSED (422); of two such lines in one batch, the later.
    """
    first: dict[str, int] = {}
    for n, line in enumerate(lines):
        if line.key:
            first.setdefault(line.key, n)
    answers, kept_before = await _answered_before(conn, keys, client, {key: lines[n] for key, n in first.items()}, batch)
    before = kept_before or {}
    answered: dict[int, Outcome] = {}
    repeated: dict[int, Result] = {}
    todo: list[int] = []
    for n, line in enumerate(lines):
        answer = answers[line.key] if line.key else before.get(line.number)
        if isinstance(answer, Mismatch | Lines) or (line.key and line.fingerprint != lines[first[line.key]].fingerprint):
            answered[n] = Unprocessable("IDEMPOTENCY_KEY_REUSED", field="Idempotency-Key")
        elif answer is not None:
            repeated[n] = answer
        elif not line.key or first[line.key] == n:
            todo.append(n)
    if repeated:
        refused = await work.repeats(conn, list(repeated.values()))
        answered |= {n: no or result for (n, result), no in zip(repeated.items(), refused, strict=True)}
    if todo:
        answered |= zip(todo, await work(conn, [lines[n] for n in todo]), strict=True)
    made = {n: outcome for n in todo if isinstance(outcome := answered[n], Result)}
    kept: dict[Entry, Kept] = {(line.key, line.fingerprint): made[n] for n in made if (line := lines[n]).key}
    if len(made) < len(todo):
        refused_keys = {line.key for n in todo if n not in made and (line := lines[n]).key and not line.fresh}
        if batch is not None and not batch.fresh and kept_before is None:
            refused_keys.add(batch.key)
        await idempotency.require_unused(conn, keys, client, refused_keys)
    if batch is not None and (made or repeated):
        own = {**before, **{lines[n].number: result for n, result in made.items() if not lines[n].key}}
        if own.keys() > before.keys() or kept_before is None:
            kept[batch.key, batch.fingerprint] = Lines(sorted(own.items(), key=lambda item: item[0]))
    await idempotency.record(conn, keys, client, kept, [batch.key] if batch is not None and kept_before is not None else ())
    outcomes = [answered[n] if n in answered else answered[first[line.key or ""]] for n, line in enumerate(lines)]
    return Executed(outcomes, list(made.values()))


async def _answered_before(
    conn: Connection, keys: Keys, client: str, lines: Mapping[str, Line[C]], batch: BatchKey | None
) -> tuple[dict[str, Kept | Mismatch | None], dict[int, Result] | None]:
    """What the keys of lines answered before, and {number: result} of the batch's lines without a key; None: it was not sent before.

    Raises IDEMPOTENCY_KEY_REUSED (422) for the key of the batch.
    """
    given: list[Entry] = [(key, line.fingerprint) for key, line in lines.items() if not line.fresh]
    asked = batch is not None and not batch.fresh
    if batch is not None and asked:
        given = [(batch.key, batch.fingerprint), *(entry for entry in given if entry[0] != batch.key)]
    found = await idempotency.look_up(conn, keys, client, given) if given else {}
    answers: dict[str, Kept | Mismatch | None] = {key: None if line.fresh else found[key] for key, line in lines.items()}
    if batch is None or not asked:
        return answers, None
    if isinstance(kept := found[batch.key], Mismatch | Result):
        raise Unprocessable("IDEMPOTENCY_KEY_REUSED", field="Idempotency-Key")
    if batch.key in answers:
        # A line with the key of its batch: another request with the same key.
        answers[batch.key] = Mismatch()
    return answers, dict(kept.lines) if kept is not None else None
