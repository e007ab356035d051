"""PostgreSQL and Kafka of the local stack: real, in any folder, kept over a kill."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.local.child import StartError, wait_for
from deploy.local.servers.kafka import KafkaServer
from deploy.local.servers.postgres import PostgresServer
from tests.patience import PATIENCE


@pytest.fixture(scope="module")
def closed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that nobody else may enter, as `mktemp -d` makes it."""
    folder = tmp_path_factory.mktemp("closed")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def postgres(closed_folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(closed_folder / "postgres")
    server.start()
    server.provide("trial")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def kafka(closed_folder: Path) -> Iterator[KafkaServer]:
    server = KafkaServer(closed_folder / "kafka")
    server.start()
    server.create_topics(["trial.v1"], partitions=12)
    yield server
    server.stop()


def test_postgres_runs_in_a_folder_closed_to_others_and_leaves_it_closed(postgres: PostgresServer, closed_folder: Path) -> None:
    assert postgres.pid is not None
    assert closed_folder.stat().st_mode & 0o077 == 0
    assert os.stat(f"/proc/{postgres.pid}").st_uid != 0


async def test_a_role_of_a_service_is_neither_superuser_nor_past_row_level_security(postgres: PostgresServer) -> None:
    connection = await asyncpg.connect(postgres.dsn("parkunion_trial", "trial_app"))
    row = await connection.fetchrow("SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user")
    version = await connection.fetchval("SHOW server_version_num")
    durable = await connection.fetchval("SHOW synchronous_commit"), await connection.fetchval("SHOW fsync")
    await connection.close()
    assert row is not None
    assert not any(row.values())
    assert int(version) // 10000 == 18
    assert durable == ("on", "on")


async def test_a_service_cannot_enter_the_database_of_another(postgres: PostgresServer) -> None:
    postgres.provide("other")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(postgres.dsn("parkunion_other", "trial_app"))


async def test_a_wrong_password_is_refused(postgres: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.dsn("parkunion_trial", "trial_app").replace(postgres.password("trial_app"), "guess"))


def test_passwords_are_kept_in_files_of_our_own(postgres: PostgresServer) -> None:
    files = list(postgres.keys.glob("database-*"))
    assert files
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


@pytest.mark.invariant("I5")
async def test_a_failing_statement_puts_no_value_of_it_into_the_log(postgres: PostgresServer) -> None:
    connection = await asyncpg.connect(postgres.dsn("parkunion_trial", "trial_owner"))
    await connection.execute("CREATE TABLE persons (document text PRIMARY KEY)")
    await connection.execute("INSERT INTO persons VALUES ($1)", "11010519491231002X")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO persons VALUES ($1)", "11010519491231002X")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO persons VALUES ('11010519491231002X')")
    await connection.close()
    assert wait_for(lambda: "duplicate key" in postgres.log.read_text(), PATIENCE)
    assert "11010519491231002X" not in postgres.log.read_text()


@pytest.mark.invariant("I1")
def test_postgres_killed_and_started_again_has_what_it_acknowledged(postgres: PostgresServer) -> None:
    postgres.execute("CREATE TABLE facts (n int); INSERT INTO facts VALUES (42);")
    port, pid = postgres.port, postgres.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: postgres.pid is None, PATIENCE)
    postgres.start()
    assert postgres.execute("SELECT n FROM facts").strip() == "42"
    assert postgres.port == port


def test_postgres_says_why_it_does_not_start(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres")
    server.prepare()
    settings = tmp_path / "postgres" / "cluster" / "postgresql.conf"
    settings.write_text("no_such_setting = 1\n")
    with pytest.raises(StartError, match=r"no_such_setting|contains errors"):
        server.start()


async def test_topics_are_kept_for_ever(kafka: KafkaServer) -> None:
    kafka.create_topics(["trial.v1"], partitions=12)
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await client.start()
    [description] = await client.describe_topics(["trial.v1"])
    [answer] = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "trial.v1")])
    await client.close()
    settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    assert len(description["partitions"]) == 12
    assert (settings["retention.ms"], settings["cleanup.policy"]) == ("-1", "delete")


@pytest.mark.invariant("I1")
async def test_kafka_killed_and_started_again_has_what_it_acknowledged(kafka: KafkaServer) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    await producer.send_and_wait("trial.v1", b"fact", key=b"enterprise")
    await producer.stop()
    pid = kafka.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: kafka.pid is None, PATIENCE)
    kafka.start()
    consumer = AIOKafkaConsumer("trial.v1", bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    record = await consumer.getone()
    await consumer.stop()
    assert (record.key, record.value) == (b"enterprise", b"fact")
