"""Much at a time: `.venv/bin/python -m bench.bulk members|outbox|producer [--members 20000] [--events 200000] [--rate 200]`.

`members`: members of new persons by `./parkunion import members FILE`, until the last figure has them. `outbox`: that many events of a journal
are put into the outbox again, as `reconcile` does with missing ones, and drained by the relay, while single commands go on; readers drop
them, since they know them. `producer`: what aiokafka's idempotent producer does alone, record by record and in batches made by us.

Each starts a stack of its own in a temporary folder. Prints lines of JSON; CPU in microseconds an event, by kind of process.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
from aiokafka import AIOKafkaProducer

from bench import command, cpu
from bench.generator.records import ZONE, records
from bench.generator.workload import workloads
from bench.latency import DAY, Load, Park
from bench.speed.idle import wait_until_idle
from bench.speed.stack import METRICS, BenchStack, own_stack
from bench.speed.usage import Usage
from bench.stacks import ROOT, parkunion
from deploy.local.servers.postgres import database_of
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import STRUCTURED
from shared.contracts.services import SERVICES

MEMBERSHIP = SERVICES["membership"].topic()
POSITIONS = "SELECT shard, next FROM shards WHERE generation = 1"
WAITS = "SELECT EXISTS (SELECT FROM outbox)"
QUEUE = "INSERT INTO outbox (id) SELECT id FROM journal ORDER BY id LIMIT $1"
BATCH = 300
RECORDS = 200_000
VALUE = b"x" * 546
"""As long as an event of the generator on average."""


@contextmanager
def spent(stack: BenchStack, events: int) -> Iterator[dict[str, float]]:
    """Gets {kind of process: CPU microseconds an event} when the block ends. What a command used is missing (its process is gone)."""
    usage, found = Usage(), dict[str, float]()
    usage.look(stack.families())
    yield found
    usage.look(stack.families())
    found.update({kind: round(1e6 * used / events, 1) for kind, used in usage.seconds().items()})
    found["sum"] = round(sum(found.values()), 1)


@contextmanager
def by_process(status: Mapping[str, Any], events: int) -> Iterator[dict[str, float]]:
    """As `spent`, for each process and database role, and with what the commands used that ended meanwhile."""
    found, before, children = dict[str, float](), cpu.seconds(status), resource.getrusage(resource.RUSAGE_CHILDREN)
    yield found
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    after = cpu.seconds(status) | {"command": ended.ru_utime + ended.ru_stime}
    before = before | {"command": children.ru_utime + children.ru_stime}
    found.update({name: round(1000 * used, 1) for name, used in cpu.milliseconds_each(before, after, events).items()})


async def prepared(stack: BenchStack, session: aiohttp.ClientSession) -> Load:
    """A load whose parks have an enterprise and a union each."""
    load = Load(session, json.loads(parkunion(stack.folder.path, "status", "--json")))
    await load.prepare()
    return load


def session_of(stack: BenchStack) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"Authorization": f"Bearer {parkunion(stack.folder.path, 'token')}"})


async def until_empty(conn: asyncpg.Connection[asyncpg.Record]) -> None:
    """The outbox is empty."""
    while await conn.fetchval(WAITS):
        await asyncio.sleep(0.05)


async def until_folded(stack: BenchStack) -> None:
    """The projectors have applied all that is in the topic of membership."""
    broker = KafkaBroker(stack.bootstrap)
    conn = await asyncpg.connect(stack.dsn(METRICS))
    try:
        ends = {place[1]: extent.end for place, extent in (await broker.extents([MEMBERSHIP])).items()}
        while True:
            at = {row["shard"]: json.loads(row["next"]).get(MEMBERSHIP, 0) for row in await conn.fetch(POSITIONS)}
            if all(at.get(number, 0) >= end for number, end in ends.items()):
                return
            await asyncio.sleep(0.05)
    finally:
        await conn.close()
        await broker.close()


def write_rows(path: Path, parks: Iterable[Park], members: int) -> None:
    """An import file: members one enterprise after the other."""
    each = list(parks)
    with path.open("w") as file:
        for number in range(members):
            park = each[number * len(each) // members]
            document = {"kind": "sample", "number": uuid4().hex}
            row = {"union_id": park.union, "enterprise_id": park.enterprise, "document": document, "joined_on": DAY}
            file.write(json.dumps({"key": uuid4().hex, **row}) + "\n")


async def members(stack: BenchStack, count: int) -> dict[str, Any]:
    """Seconds until the import has ended, until its events are published, and until they are figures."""
    stack.up(1)
    path = stack.folder.path.parent / "members.ndjson"
    async with session_of(stack) as session:
        write_rows(path, (await prepared(stack, session)).parks.values(), count)
    await until_folded(stack)
    conn = await asyncpg.connect(stack.dsn(database_of("membership")))
    status = json.loads(parkunion(stack.folder.path, "status", "--json"))
    with by_process(status, count) as used:
        began = time.perf_counter()
        program = [str(ROOT / "parkunion"), "--data", str(stack.folder.path), "import", "members", str(path)]
        await asyncio.to_thread(subprocess.run, program, check=True, capture_output=True)
        imported = time.perf_counter() - began
        await until_empty(conn)
        published = time.perf_counter() - began
        await until_folded(stack)
        folded = time.perf_counter() - began
    await conn.close()
    seconds = {"imported_s": round(imported, 2), "published_s": round(published, 2), "folded_s": round(folded, 2)}
    return {"task": "members", "members": count, "per_s": round(count / folded), **seconds, "cpu_us": used}


async def answer_times(load: Load, rate: float, ended: asyncio.Event) -> list[float]:
    """Milliseconds until each single command was answered; they start at fixed times until `ended`."""
    parks, found, tasks = list(load.parks.values()), list[float](), list[asyncio.Task[None]]()

    async def one(park: Park) -> None:
        began = time.perf_counter()
        await load.single(park)
        found.append(1000 * (time.perf_counter() - began))

    started = time.perf_counter()
    while not ended.is_set():
        await asyncio.sleep(max(0.0, started + len(tasks) / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(parks[len(tasks) % len(parks)])))
    await asyncio.gather(*tasks)
    return found


def p99(times: list[float]) -> float:
    return round(statistics.quantiles(times, n=100)[98], 1)


async def outbox(stack: BenchStack, events: int, rate: float, seconds: float) -> dict[str, Any]:
    """How long the relay takes with a long outbox, and what commands feel of it. The journal holds so many events already.

    Before commands are measured, all services have read the log: readers that are still behind would make the normal times longer. The outbox is
    filled before them as well: where the broker was down it filled in the course of time.
    """
    stack.up(2)
    await until_folded(stack)
    await asyncio.to_thread(wait_until_idle, lambda: {name: stack.stack.readiness(name) for name in stack.stack.services})
    conn = await asyncpg.connect(stack.dsn(database_of("membership")))
    async with session_of(stack) as session:
        load = await prepared(stack, session)
        ended = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, ended.set)
        normal = await answer_times(load, rate, ended)
        await until_empty(conn)
        with spent(stack, events) as used:
            queued = int((await conn.execute(QUEUE, events)).split()[-1])
            began, ended = time.perf_counter(), asyncio.Event()
            going_on = asyncio.create_task(answer_times(load, rate, ended))
            last = await conn.fetchval("SELECT max(id) FROM (SELECT id FROM journal ORDER BY id LIMIT $1) AS j", events)
            while await conn.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE id <= $1)", last):
                await asyncio.sleep(0.05)
            drained = time.perf_counter() - began
            ended.set()
            meanwhile = await going_on
    await conn.close()
    times = {"normal_p99_ms": p99(normal), "meanwhile_p99_ms": p99(meanwhile), "commands_per_s": rate}
    return {"task": "outbox", "events": queued, "seconds": round(drained, 1), "per_s": round(queued / drained), **times, "cpu_us": used}


async def producer(stack: BenchStack) -> dict[str, Any]:
    """Records a second of aiokafka alone, acks=all and idempotent: one by one, and in batches of BATCH."""
    stack.up(1)
    broker = KafkaBroker(stack.bootstrap)
    await broker.create_topic("bare", 12)
    bare = AIOKafkaProducer(bootstrap_servers=stack.bootstrap, acks="all", enable_idempotence=True, max_batch_size=800_000)
    await bare.start()
    headers, key = list(STRUCTURED), uuid4().hex.encode()
    found: dict[str, Any] = {"task": "producer", "records": RECORDS}
    began, sent = time.perf_counter(), []
    for number in range(RECORDS):
        sent.append(await bare.send("bare", VALUE, key=key, partition=number % 12, headers=headers))
    await asyncio.gather(*sent)
    found["one_by_one_per_s"] = round(RECORDS / (time.perf_counter() - began))
    began, sent = time.perf_counter(), []
    for number in range(RECORDS // BATCH):
        batch = bare.create_batch()
        for _ in range(BATCH):
            batch.append(timestamp=None, key=key, value=VALUE, headers=headers)
        batch.close()
        sent.append(await bare.send_batch(batch, "bare", partition=number % 12))
    await asyncio.gather(*sent)
    found["in_batches_per_s"] = round(RECORDS // BATCH * BATCH / (time.perf_counter() - began))
    await bare.stop()
    await broker.close()
    return found


def main() -> None:
    """Read the options, measure, print."""
    options = command.options("bench.bulk", __doc__)
    options.add_argument("task", choices=["members", "outbox", "producer"])
    options.add_argument("--members", type=command.positive, default=20_000)
    options.add_argument("--events", type=command.positive, default=200_000)
    options.add_argument("--rate", type=float, default=200, help="single commands a second beside the outbox")
    options.add_argument("--seconds", type=float, default=20, help="how long they are measured before")
    given = command.begin(options)
    with own_stack() as stack:
        if given.task == "outbox":
            # The other events of a log are of the registry.
            stack.fill(records(workloads(1, given.events * 6 // 5 + 50_000, datetime.now(ZONE).date())["in-order"]))
        work: Mapping[str, Any] = {
            "members": lambda: members(stack, given.members),
            "outbox": lambda: outbox(stack, given.events, given.rate, given.seconds),
            "producer": lambda: producer(stack),
        }
        print(json.dumps(asyncio.run(work[given.task]())), flush=True)


if __name__ == "__main__":
    main()
