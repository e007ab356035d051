"""Carries out commands: idempotency, load, decide, append, in one transaction, for one command or for a batch of a thousand alike.

In a batch each line is decided on what the lines before it made; a refused line changes nothing and stops no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from services.registry import loading, store, writing
from services.registry.context import Context
from services.registry.domain.commands import Command
from services.registry.handlers import Decided, Expected, Handlers
from shared import idempotency
from shared.auth import Areas
from shared.db import Connection, Pool, run_command
from shared.idempotency import Mismatch, Result
from shared.journal import Actor, Appended
from shared.problems import Problem, Unprocessable

Outcome: TypeAlias = Result | Problem


@dataclass(frozen=True, slots=True)
class Line:
    """One command; `key` and `fingerprint` make it repeatable, None without an idempotency key; `expected` is its If-Match."""

    command: Command
    key: str | None = None
    fingerprint: bytes = b""
    expected: Expected = None


async def one(pool: Pool, context: Context, client: str, areas: Areas, actor: Actor, line: Line) -> Result:
    """Do one command. Raises the problem for which it is refused."""
    outcome = (await many(pool, context, client, areas, actor, [line]))[0]
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


async def many(pool: Pool, context: Context, client: str, areas: Areas, actor: Actor, lines: Sequence[Line]) -> list[Outcome]:
    """Do all lines in one transaction of their own; grants are checked line by line, so it sees every area."""
    return await run_command(pool, lambda conn: execute(conn, context, client, areas, actor, lines), areas=Areas.all())


async def execute(conn: Connection, context: Context, client: str, areas: Areas, actor: Actor, lines: Sequence[Line]) -> list[Outcome]:
    """Do all lines in this transaction, and say per line what came of it."""
    first: dict[str, int] = {}
    for n, line in enumerate(lines):
        first.setdefault(line.key or "", n)
    claims = await idempotency.claim(conn, client, [(key, lines[n].fingerprint) for key, n in first.items() if key])
    outcomes: list[Outcome | None] = [None] * len(lines)
    todo: list[int] = []
    for n, line in enumerate(lines):
        claim = claims.get(line.key) if line.key else None
        if isinstance(claim, Mismatch) or (line.key and line.fingerprint != lines[first[line.key]].fingerprint):
            outcomes[n] = Unprocessable("IDEMPOTENCY_KEY_REUSED")
        elif claim is not None:
            outcomes[n] = claim
        elif not line.key or first[line.key] == n:
            todo.append(n)
    for n, made in zip(todo, await _carry_out(conn, context, areas, actor, [lines[n] for n in todo]), strict=True):
        outcomes[n] = made
    await _keep(conn, client, {key: outcomes[n] for key, n in first.items() if key and claims[key] is None})
    return [outcome if outcome is not None else _of_first(outcomes, first, line) for outcome, line in zip(outcomes, lines, strict=True)]


async def _keep(conn: Connection, client: str, made: Mapping[str, Outcome | None]) -> None:
    """Successes answer later repeats; a refused command may be sent again under its key."""
    await idempotency.record(conn, client, {key: outcome for key, outcome in made.items() if isinstance(outcome, Result)})
    await idempotency.release(conn, client, [key for key, outcome in made.items() if not isinstance(outcome, Result)])


def _of_first(outcomes: Sequence[Outcome | None], first: dict[str, int], line: Line) -> Outcome:
    outcome = outcomes[first[line.key or ""]]
    assert outcome is not None
    return outcome


async def _carry_out(conn: Connection, context: Context, areas: Areas, actor: Actor, lines: Sequence[Line]) -> list[Outcome]:
    if not lines:
        return []
    loaded = await loading.load(conn, context, [line.command for line in lines], grants=not areas.everything)
    locked = frozenset(loaded.world.histories)
    handlers = Handlers(loaded, areas)
    outcomes: list[Decided | Problem] = []
    for line in lines:
        try:
            outcomes.append(handlers.decide(line.command, line.expected))
        except Problem as problem:
            outcomes.append(problem)
    facts = [outcome.fact for outcome in outcomes if isinstance(outcome, Decided)]
    appended = iter(await writing.write(conn, handlers.world, facts, actor, locked))
    await store.put_notes(conn, handlers.reasons)
    return [_result(outcome, next(appended)) if isinstance(outcome, Decided) else outcome for outcome in outcomes]


def _result(decided: Decided, place: Appended) -> Result:
    return Result(decided.id or str(place.event_id), place.subject, place.sequence, [place.event_id], decided.warnings)
