"""`reconcile`: compare log and journal. `relay republish`: write a service's topic again from its journal."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
import typer

from deploy.local import stack as stacks
from deploy.local.errors import UserError
from deploy.local.stack import Stack
from deploy.local.supervising.processes import PARTITIONS, TOPICS
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import BrokerUnavailableError, OffsetLostError
from shared.process import db
from shared.relaying.comparison import Comparison
from shared.relaying.reconcile import TopicReplacedError, reconcile
from shared.relaying.recovery import Source
from shared.relaying.republish import AlreadyRepublishingError, republish

FOUND, UNKNOWN_SERVICE, UNANSWERED = 1, 2, 4
UNAVAILABLE: tuple[type[Exception], ...] = (*db.OUTAGES, BrokerUnavailableError, OffsetLostError)
SHOWN = 20
"""Events of a kind that are named without --json."""
STEP = 10_000
"""Events between two lines of progress."""


def register(app: typer.Typer) -> None:
    app.command(
        "reconcile",
        help="核对日志与流水,能补的补发 / compare every topic with its journal, mend what can be mended; 0: nothing found, 1: something, "
        "3: no stack runs, 4: it could not be done",
    )(compare)
    relay = typer.Typer(no_args_is_help=True, help="转发 / the relays")
    relay.command("republish", help="按流水重写整个主题 / write a service's whole topic again from its journal")(republish_topic)
    app.add_typer(relay, name="relay")


def sources(stack: Stack) -> dict[str, Source]:
    """{service: its topic}, of the services that publish."""
    topics = {topic.split(".")[1]: topic for topic in TOPICS}
    return {name: Source(f"/services/{name}", topics[name], PARTITIONS) for name in stack.services if name in topics}


def compare(context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="JSON")] = False) -> None:
    stack = stacks.load(context.obj)
    found = _with_broker(stack, lambda broker: _compare(stack, broker, None if as_json else SHOWN))
    total = sum(comparison.found for comparison in found.values())
    if as_json:
        services = {name: _plain(comparison) for name, comparison in found.items()}
        print(msgspec.json.format(msgspec.json.encode({"found": total, "services": services}), indent=2).decode())
    else:
        for name, comparison in found.items():
            print("\n".join(lines_of(name, comparison)))
    if total:
        raise typer.Exit(FOUND)


async def _compare(stack: Stack, broker: KafkaBroker, most: int | None) -> dict[str, Comparison]:
    """All at the same time: while one waits for the broker, another compares."""
    known = sources(stack)
    found = await asyncio.gather(
        *(
            reconcile(stack.dsn(name), broker, source, progress=_progress(f"{name}:读取日志 / reading the log"), most=most)
            for name, source in known.items()
        )
    )
    return dict(zip(known, found, strict=True))


def _plain(comparison: Comparison) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(comparison)
    del content["counts"]
    return content


def lines_of(service: str, found: Comparison) -> list[str]:
    """The result for one service, with the remedy."""
    counts = found.counts
    lines = [
        f"{service}: 流水 {found.journal} · 日志 {found.log}(重复 {found.duplicates}) · 待发 {found.outbox} / "
        f"journal {found.journal} · log {found.log} ({found.duplicates} duplicates) · outbox {found.outbox}"
    ]
    again = f"./parkunion relay republish {service}"
    if found.made_anew or found.unfinished:
        zh, en = (
            ("主题已不是原来的主题", "the topic is another than before") if found.made_anew else ("重写未完成", "a republish did not end")
        )
        lines.append(f"  {zh},请执行 {again} / {en}; run {again}")
    lines += [
        f"  分区 {lost.partition} 丢失末尾:应至 {lost.mark},止于 {lost.end - 1} / "
        f"partition {lost.partition} lost its tail: it reached {lost.mark} and ends at {lost.end - 1}"
        for lost in found.lost_tail
    ]
    if counts["missing"]:
        outcome = (f"{found.mended} 条已重新排队", f"{found.mended} queued again") if found.mended else ("未补发", "not mended")
        lines.append(f"  日志中缺少 {counts['missing']} 条,{outcome[0]} / {counts['missing']} missing in the log, {outcome[1]}")
        lines += _listed((f"    {one.subject} {one.sequence} {one.event_id} → {one.partition}" for one in found.missing), counts["missing"])
    if counts["unknown"] or counts["forked"]:
        lines.append(
            f"  日志中有 {counts['unknown']} 条流水不认识、{counts['forked']} 条与流水不符:请恢复较新的数据库备份,或以流水为准执行 {again} / "
            f"{counts['unknown']} in the log that the journal does not know, {counts['forked']} that are other events there: "
            f"restore a newer backup of the database, or hold to the journal with {again}"
        )
        unknown = [f"    {o.partition}/{o.offset}: {o.subject or '?'} {o.sequence or '?'} {o.event_id or '?'}" for o in found.unknown]
        forks = [
            f"    {o.partition}/{o.offset}: {o.subject} {o.sequence} {o.event_id} ≠ {o.journal_event_id} (journal {o.journal_id})"
            for o in found.forked
        ]
        lines += [*_listed(unknown, counts["unknown"]), *_listed(forks, counts["forked"])]
    if found.stopped:
        lines.append(f"  转发已停止 / the relay has stopped: {found.stopped}")
    return lines


def _listed(lines: Any, count: int) -> Sequence[str]:
    shown = list(lines)
    return shown if len(shown) == count else [*shown, f"    … {count - len(shown)} 条见 --json / more with --json"]


def republish_topic(
    context: typer.Context, service: Annotated[str, typer.Argument(help="registry, membership", metavar="SERVICE")]
) -> None:
    stack = stacks.load(context.obj)
    known = sources(stack)
    if service not in known:
        names = " ".join(known)
        raise UserError(f"{service} 不发布事件;可选:{names}", f"{service} publishes nothing; there are: {names}", UNKNOWN_SERVICE)
    progress = _progress(f"{service}:重写 / writing again")
    count = _with_broker(stack, lambda broker: republish(stack.dsn(service), broker, known[service], progress))
    print(f"{known[service].topic}: 已重写 {count} 条 / {count} events written again")


def _progress(what: str) -> Callable[[int, int], None]:
    """Lines on stderr, one for every STEP events."""
    printed = -1

    def advance(done: int, total: int) -> None:
        nonlocal printed
        if total > STEP and (done // STEP != printed or done == total):
            printed = done // STEP
            print(f"{what} {done}/{total}", file=sys.stderr, flush=True)

    return advance


def _with_broker(stack: Stack, work: Callable[[KafkaBroker], Any]) -> Any:
    """The result of `work` with the stack's broker. Raises UserError if database or broker are unavailable."""

    # aiokafka retries what it logs about a new topic.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    async def run() -> Any:
        broker = KafkaBroker(stack.content["kafka"]["bootstrap"])
        try:
            return await work(broker)
        finally:
            await broker.close()

    try:
        return asyncio.run(run())
    except AlreadyRepublishingError as error:
        raise UserError(f"{error} 正在被重写", f"{error} is being written again", UNANSWERED) from error
    except TopicReplacedError as error:
        raise UserError(f"{error} 在核对时被重建,请重试", f"{error} was made anew meanwhile; try again", UNANSWERED) from error
    except UNAVAILABLE as error:
        raise UserError(f"平台没有应答,请重试:{error}", f"the stack did not answer, try again: {error}", UNANSWERED) from error
