"""The peers, by name, and the command of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
    address = urlsplit(str(job["dsn"]))
    jdbc = f"jdbc:postgresql://{address.hostname}:{address.port}{address.path}?user={address.username}&password={address.password}"
    options = ["-Xmx1g", "-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    return [java(), *options, "-cp", java_environment.provide(), "CoverageStreams", json.dumps({**job, "jdbc": jdbc})]


SYSTEMS = {"handwritten": handwritten, "quix": quix, "kafka-streams": kafka_streams}
"""{system: the command of a worker for its job}"""
