"""Carries out commands: idempotency, load, decide, append, in one transaction, for one command or for a batch of a thousand alike.

In a batch each line is decided on what the lines before it made; a refused line changes nothing and stops no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from services.membership import documents, loading, people, writing
from services.membership.context import Context
from services.membership.domain.commands import Command, Join
from services.membership.handlers import Decided, Handlers
from services.membership.loading import Hashes
from shared import idempotency
from shared.auth import Areas
from shared.db import Connection, Pool, run_command
from shared.idempotency import Mismatch, Result
from shared.journal import Actor, Appended
from shared.problems import Problem, Unprocessable

Outcome: TypeAlias = Result | Problem


@dataclass(frozen=True, slots=True)
class Line:
    """One command; `key` and `fingerprint` make it repeatable, None without an idempotency key."""

    command: Command
    key: str | None = None
    fingerprint: bytes = b""


async def execute(conn: Connection, context: Context, client: str, areas: Areas, actor: Actor, lines: Sequence[Line]) -> list[Outcome]:
    """Do all lines in this transaction, and say per line what came of it."""
    claims = await idempotency.claim(conn, client, [(line.key, line.fingerprint) for line in lines if line.key])
    outcomes: list[Outcome | None] = [None] * len(lines)
    first: dict[str, int] = {}
    todo: list[int] = []
    for n, line in enumerate(lines):
        claim = claims.get(line.key) if line.key else None
        if isinstance(claim, Mismatch):
            outcomes[n] = Unprocessable("IDEMPOTENCY_KEY_REUSED")
        elif claim is not None:
            outcomes[n] = claim
        elif line.key is None or first.setdefault(line.key, n) == n:
            todo.append(n)
    for n, made in zip(todo, await _carry_out(conn, context, areas, actor, [lines[n].command for n in todo]), strict=True):
        outcomes[n] = made
    done: dict[str, Result] = {}
    refused: list[str] = []
    for key, n in first.items():
        if isinstance(outcome := outcomes[n], Result):
            done[key] = outcome
        else:
            refused.append(key)
    await idempotency.record(conn, client, done)
    await idempotency.release(conn, client, refused)
    return [outcome if outcome is not None else _of_first(outcomes, first, line) for outcome, line in zip(outcomes, lines, strict=True)]


def _of_first(outcomes: Sequence[Outcome | None], first: dict[str, int], line: Line) -> Outcome:
    outcome = outcomes[first[line.key or ""]]
    assert outcome is not None
    return outcome


async def _carry_out(conn: Connection, context: Context, areas: Areas, actor: Actor, commands: Sequence[Command]) -> list[Outcome]:
    if not commands:
        return []
    numbers, hashes = _identify(context, commands)
    loaded = await loading.load(conn, context, commands, [entry for entry in hashes if entry is not None], grants=not areas.everything)
    handlers = Handlers(context.documents, loaded, areas)
    outcomes: list[Decided | Problem] = []
    for n, command in enumerate(commands):
        number = numbers[n]
        entry = hashes[n]
        try:
            if isinstance(number, Problem):
                raise number
            outcomes.append(handlers.decide(command, number, entry))
        except Problem as problem:
            outcomes.append(problem)
    persons = await writing.write_people(conn, list(handlers.new_persons.values()), context.documents.hash_version, loaded.persons)
    await people.rehash(conn, loaded.rehash, context.documents.hash_version)
    facts = [fact for outcome in outcomes if isinstance(outcome, Decided) for fact in outcome.facts]
    appended = await writing.write(conn, handlers.world, facts, actor, persons, loaded.known_memberships)
    await writing.write_notes(conn, handlers.reasons)
    return _answers(outcomes, appended)


def _identify(context: Context, commands: Sequence[Command]) -> tuple[list[str | Problem | None], list[Hashes | None]]:
    """Per command the normalised document number, or what is wrong with it, and its hashes; None where nobody joins."""
    numbers: list[str | Problem | None] = []
    hashes: list[Hashes | None] = []
    for command in commands:
        number: str | Problem | None = None
        entry: Hashes | None = None
        if isinstance(command, Join):
            try:
                number = documents.normalised(command.document_kind, command.document_number)
                entry = context.documents.hashes(command.document_kind, number)
            except Problem as problem:
                number = problem
        numbers.append(number)
        hashes.append(entry)
    return numbers, hashes


def _answers(outcomes: Sequence[Decided | Problem], appended: Sequence[Appended]) -> list[Outcome]:
    answers: list[Outcome] = []
    at = 0
    for outcome in outcomes:
        if isinstance(outcome, Problem):
            answers.append(outcome)
            continue
        own = appended[at : at + len(outcome.facts)]
        at += len(outcome.facts)
        sequence = max(place.sequence for place in own if place.subject == outcome.subject)
        answer_id = str(own[0].event_id) if outcome.id_is_event else outcome.id
        answers.append(Result(answer_id, outcome.subject, sequence, [place.event_id for place in own], outcome.warnings))
    return answers


async def one(pool: Pool, context: Context, client: str, areas: Areas, actor: Actor, line: Line) -> Result:
    """One command in a transaction of its own. Raises the problem for which it is refused; nothing of it then stays."""

    async def work(conn: Connection) -> Result:
        outcome = (await execute(conn, context, client, areas, actor, [line]))[0]
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    return await run_command(pool, work, areas=Areas.all())


async def many(pool: Pool, context: Context, client: str, areas: Areas, actor: Actor, lines: Sequence[Line]) -> list[Outcome]:
    """A batch in one transaction; what came of it, by line."""

    async def work(conn: Connection) -> list[Outcome]:
        return await execute(conn, context, client, areas, actor, lines)

    return await run_command(pool, work, areas=Areas.all())
