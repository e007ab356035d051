"""Commands are carried out once: a repeated idempotency key answers what its first line answered, in one batch and for 30 days.

One command is a batch of one line. `CarryOut` (`shared/writing/carry_out.py`) decides and writes the lines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from shared.http.auth import Areas
from shared.journal import idempotency
from shared.journal.idempotency import Mismatch, Result
from shared.problems.errors import Problem, Unprocessable
from shared.problems.preconditions import Expected
from shared.process.db import Connection, Pool, run_command

C = TypeVar("C")

Outcome: TypeAlias = Result | Problem
"""The answer to a line, or why it is refused."""


@dataclass(frozen=True, slots=True)
class Line(Generic[C]):
    """One command; `key` and `fingerprint` make it repeatable, None without an idempotency key.

    `expected`: ETags of which that of the changed resource must be one (If-Match); None: any.
    """

    command: C
    key: str | None = None
    fingerprint: bytes = b""
    expected: Expected = None


CarryOut: TypeAlias = Callable[[Connection, Sequence[Line[C]]], Awaitable[Sequence[Outcome]]]
"""Carries out lines in this transaction; one outcome per line."""


async def one(pool: Pool, client: str, line: Line[C], carry_out: CarryOut[C]) -> Result:
    """Carry out one command in a transaction of its own. Raises the problem for which it is refused; the transaction is then rolled back."""

    async def work(conn: Connection) -> Result:
        outcome = (await execute(conn, client, [line], carry_out))[0]
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    return await run_command(pool, work, areas=Areas.all())


async def many(pool: Pool, client: str, lines: Sequence[Line[C]], carry_out: CarryOut[C]) -> list[Outcome]:
    """Carry out all lines in one transaction. It sees every area: grants are checked line by line."""
    return await run_command(pool, lambda conn: execute(conn, client, lines, carry_out), areas=Areas.all())


async def execute(conn: Connection, client: str, lines: Sequence[Line[C]], carry_out: CarryOut[C]) -> list[Outcome]:
    """Carry out all lines in this transaction; one outcome per line.

    A key that was used for another command refuses its line with IDEMPOTENCY_KEY_REUSED (422); of two such lines in one batch, the later.
    """
    first: dict[str, int] = {}
    for n, line in enumerate(lines):
        if line.key:
            first.setdefault(line.key, n)
    claims = await idempotency.claim(conn, client, [(key, lines[n].fingerprint) for key, n in first.items()])
    answered: dict[int, Outcome] = {}
    todo: list[int] = []
    for n, line in enumerate(lines):
        claim = claims[line.key] if line.key else None
        if isinstance(claim, Mismatch) or (line.key and line.fingerprint != lines[first[line.key]].fingerprint):
            answered[n] = Unprocessable("IDEMPOTENCY_KEY_REUSED", field="Idempotency-Key")
        elif claim is not None:
            answered[n] = claim
        elif not line.key or first[line.key] == n:
            todo.append(n)
    if todo:
        answered |= zip(todo, await carry_out(conn, [lines[n] for n in todo]), strict=True)
    await _keep(conn, client, {key: answered[n] for key, n in first.items() if claims[key] is None})
    return [answered[n] if n in answered else answered[first[line.key or ""]] for n, line in enumerate(lines)]


async def _keep(conn: Connection, client: str, made: Mapping[str, Outcome]) -> None:
    """Successes answer later repeats; a refused command may be sent again under its key."""
    await idempotency.record(conn, client, {key: outcome for key, outcome in made.items() if isinstance(outcome, Result)})
    await idempotency.release(conn, client, [key for key, outcome in made.items() if not isinstance(outcome, Result)])
