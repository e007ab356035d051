"""Who reads figures over a switch reads on: one generation's rows and version in every answer, everything once more in every open stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest

from services.metrics.generations import lifecycle
from services.metrics.generations.lifecycle import StillBehind
from tests.conftest import NewDatabase
from tests.integration.metrics.generations.test_generations import told
from tests.integration.metrics.live.test_stream import following
from tests.integration.metrics.log import PARTITIONS, Log, log_in
from tests.integration.metrics.server import MetricsServer, server_of
from tests.patience import PATIENCE


@pytest.fixture
async def at_work(database: NewDatabase) -> AsyncIterator[tuple[Log, MetricsServer]]:
    metrics = await database("metrics")
    async with log_in(metrics) as log:
        log.publish_events(told()[:60])
        async with log.projecting(), server_of(metrics, fresh=False, partitions=PARTITIONS) as server:
            await log.read(1)
            yield log, server


async def figures(server: MetricsServer) -> tuple[str, list[dict[str, Any]]]:
    async with server.client() as http:
        answer = (await http.get("/v1/coverage", params={"by": "park"})).raise_for_status()
    return answer.headers["x-parkunion-version"], answer.json()["rows"]


def without_findings(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """{area: its row}"""
    return {row["area"]: {name: value for name, value in row.items() if name != "findings"} for row in rows}


async def test_an_open_stream_is_sent_everything_of_the_new_generation_and_then_its_changes(at_work: tuple[Log, MetricsServer]) -> None:
    log, server = at_work
    async with following(server, by="park") as stream:
        first = await stream.coverage()
        assert first["version"].startswith("1:")
        made, *_ = await log.rebuild()
        await lifecycle.switch(log.owner, made, None)
        while not stream.version.startswith(f"{made}:"):
            await stream.coverage()
        assert stream.last["full"]
        log.publish_events(told()[60:])
        await log.read(made)
        version, rows = await figures(server)
        await stream.until(version)
        # Findings follow the figures, within a second.
        sent, plain = without_findings(stream.figures.values()), without_findings(rows)
        assert sent == plain | {code: row for code, row in sent.items() if not any(row[name] for name in ("units", "members", "workers"))}
    assert stream.version == version


async def test_a_stream_that_resumes_with_the_id_of_another_generation_is_sent_everything(at_work: tuple[Log, MetricsServer]) -> None:
    log, server = at_work
    before, _ = await figures(server)
    made, *_ = await log.rebuild()
    await lifecycle.switch(log.owner, made, None)
    async with following(server, by="park", last_event_id=before) as stream:
        while not stream.version.startswith(f"{made}:"):
            told_first = await stream.coverage()
            assert told_first["full"]


async def test_a_switch_changes_no_figure_and_readiness_follows_it(at_work: tuple[Log, MetricsServer]) -> None:
    log, server = at_work
    _, before = await figures(server)
    made, *_ = await log.rebuild()
    await lifecycle.switch(log.owner, made, None)
    version, after = await figures(server)
    assert (version.partition(":")[0], after) == (str(made), before)
    await log.owner.execute("DELETE FROM shards WHERE generation = 1")
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        ready = (await http.get(f"{server.url}/readyz")).json()
    assert ready["ready"]
    assert ready["checks"]["rules"] == "ok"


async def test_figures_never_go_back_over_a_switch(at_work: tuple[Log, MetricsServer]) -> None:
    """The new generation has read all that the old one had, whatever flows meanwhile."""
    log, _ = at_work
    made, *_ = await log.rebuild()
    log.publish_events(told()[60:])
    while True:
        try:
            await lifecycle.switch(log.owner, made, None)
            break
        except StillBehind:
            continue
    old, new = await lifecycle.positions(log.owner, 1), await lifecycle.positions(log.owner, made)
    frozen = {shard: place.next for shard, place in old.items()}
    assert frozen
    assert lifecycle.events_missing(old, new) == 0 or await log.behind(1) < await log.behind(made)
