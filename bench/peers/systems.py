"""The peers, by name, and the command of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.peers import environment, java_environment
from deploy.local.servers.kafka import java


def handwritten(job: Mapping[str, object]) -> Sequence[str]:
    """The command of a worker of `handwritten.py`."""
    return [str(environment.provide()), "-P", str(environment.LOCK.with_name("handwritten.py")), json.dumps(job)]


def quix(job: Mapping[str, object]) -> Sequence[str]:
    """The command of a worker of `quix.py`: all are of one group, and each keeps its state in a folder of its own."""
    every = {**job, "group": job["run"], "state": f"{job['folder']}/quix-{job['worker']}"}
    return [str(environment.provide()), "-P", "-W", "ignore", str(environment.LOCK.with_name("quix.py")), json.dumps(every)]


def kafka_streams(job: Mapping[str, object]) -> Sequence[str]:
    """The command of a worker of `CoverageStreams.java`: all are of one application."""
    return _java("CoverageStreams", job)


def flink(job: Mapping[str, object]) -> Sequence[str]:
    """The command of `CoverageFlink.java`, one process with so many slots. A release for Java 21 reaches into classes that newer ones close."""
    opened = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("lang", "lang.invoke", "net", "nio", "time", "util")]
    # It unpacks a jar and keeps what it ships by file there; a killed one leaves them.
    return _java("CoverageFlink", job, *opened, "--sun-misc-unsafe-memory-access=allow", f"-Djava.io.tmpdir={job['temporary']}")


def _java(program: str, job: Mapping[str, object], *more: str) -> Sequence[str]:
    address = urlsplit(str(job["dsn"]))
    login = f"user={address.username}&password={address.password}&reWriteBatchedInserts=true"
    jdbc = f"jdbc:postgresql://{address.hostname}:{address.port}{address.path}?{login}"
    options = ["-Xmx1g", "-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", *more]
    return [java(), *options, "-cp", java_environment.provide(), program, json.dumps({**job, "jdbc": jdbc})]


@dataclass(frozen=True)
class Peer:
    """A system: `command(job)` is the program of one process. It prints `reading` when it begins, keeps the table, and may end or stay.

    `processes`: of how many it consists; 0: one a worker. `warm`: whether its program folds a second time if its job says so
    (`java/Passes.java` has the protocol).
    """

    system: str
    command: Callable[[Mapping[str, object]], Sequence[str]]
    processes: int = 0
    warm: bool = False


SYSTEMS = {
    peer.system: peer
    for peer in (
        Peer("handwritten", handwritten),
        Peer("quix", quix),
        Peer("kafka-streams", kafka_streams, warm=True),
        Peer("flink", flink, processes=1, warm=True),
    )
}
