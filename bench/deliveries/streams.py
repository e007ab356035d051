"""Thousands of open streams of one API process, and one event that all of them get."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

import psutil

from bench.deliveries.commands import load_of
from bench.deliveries.house import BUREAU, Asked, DeliveryStack
from bench.deliveries.report import Result, Spent, percentiles
from bench.latency import DAY
from bench.stacks import parkunion

TYPE = "parkunion.enterprise-registered.v1"
AT_ONCE = 64
PATIENCE = 120.0


def streams(stack: DeliveryStack, clients: int) -> Result:
    """Each client has a subscription of its own."""
    parkunion(stack.folder.path, "client", "add", BUREAU, "--scope", "subscriptions:use")
    return asyncio.run(_streams(stack, clients))


async def _streams(stack: DeliveryStack, clients: int) -> Result:
    async with load_of(stack) as load:
        root = f"STREAM-{load.run}"
        areas = [{"code": root, "name": "Streams", "kind": "division", "parent": None}]
        areas.append({"code": f"{root}-P", "name": "Streams", "kind": "park", "parent": root})
        await load.batch("registry", [load.line("area", area) for area in areas])
        keys = await stack.subscribe([Asked([root], [TYPE]) for _ in range(clients)])
        api = stack.stack.content["services"]["subscriptions"]["roles"]["api"]
        before, began = _pss(api), time.perf_counter()
        token = stack.stack.token(client=BUREAU)
        context = multiprocessing.get_context("spawn")
        conn, other = context.Pipe()
        process = context.Process(
            target=_run, args=(other, stack.stack.url("subscriptions"), token, [str(key) for key in keys]), daemon=True
        )
        process.start()
        open_ones = await asyncio.to_thread(_hear, conn)
        connecting = time.perf_counter() - began
        memory = _pss(api)
        while not stack.idle():
            await asyncio.sleep(0.5)
        spent = Spent(stack, {"clients": [process.pid or 0]})
        sent = time.time()
        body = {"name": "示例企业", "park": f"{root}-P", "settled_on": DAY}
        await load.batch("registry", [load.line("enterprise", body)])
        arrived = await asyncio.to_thread(_hear, conn)
        used = spent.end(clients, max(arrived, default=sent) - sent or 1.0)
        process.join(10)
    wrong = []
    if open_ones != clients:
        wrong.append(f"{clients - open_ones} not connected")
    if len(arrived) != clients:
        wrong.append(f"{clients - len(arrived)} without the event")
    figures = {
        "clients": open_ones,
        "connected_in_s": round(connecting, 2),
        "got_the_event": len(arrived),
        "all_after_s": round(max(arrived, default=sent) - sent, 2),
        "command_to_client": percentiles([at - sent for at in arrived]),
        "api_mib_before": before,
        "api_mib_with_clients": memory,
        "api_mib_after_the_event": _pss(api),
    }
    return Result("streams", figures, f"{clients:,} clients on one process", not wrong, wrong, **used)


def _pss(pids: list[int]) -> float:
    return round(sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / 2**20, 1)


def _hear(conn: Connection):  # type: ignore[no-untyped-def]
    return conn.recv() if conn.poll(PATIENCE) else ()


def _run(conn: Connection, url: str, token: str, keys: list[str]) -> None:
    """The clients, in a process of their own."""
    asyncio.run(_clients(conn, url, token, keys))


async def _clients(conn: Connection, url: str, token: str, keys: list[str]) -> None:
    where, gate = urlsplit(url), asyncio.Semaphore(AT_ONCE)

    async def connect(key: str) -> asyncio.StreamReader | None:
        async with gate:
            reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=2**14)
            writer.write(
                f"GET /v1/subscriptions/{key}/stream HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
                f"Accept: text/event-stream\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            kept.append(writer)
            return reader if head.startswith(b"HTTP/1.1 200") else None

    async def event(reader: asyncio.StreamReader) -> float:
        while not (await reader.readline()).startswith(b"data:"):
            pass
        return time.time()

    kept: list[asyncio.StreamWriter] = []
    readers = [reader for reader in await asyncio.gather(*map(connect, keys)) if reader is not None]
    conn.send(len(readers))
    done, _ = await asyncio.wait([asyncio.create_task(event(reader)) for reader in readers], timeout=PATIENCE / 2)
    conn.send([task.result() for task in done if task.exception() is None])
