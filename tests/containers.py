"""The PostgreSQL and the Kafka of the tests in containers: the local servers' settings and methods, run by a Docker engine of this machine.

with PostgresContainer(folder, "postgres:18") as server:
    await asyncpg.connect(server.dsn())
    server.stop()
    server.start()  # the same data, the same port

Only the server is in the container: `psql` and the checks whether it answers are those of the local stack.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pytest
from docker.errors import DockerException  # type: ignore[import-untyped]
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from deploy.local.child import StartError, free_port, wait_for
from deploy.local.servers import kafka, postgres

if TYPE_CHECKING:
    from docker.models.containers import Container  # type: ignore[import-untyped]

NO_ENGINE = (
    "没有可用的 Docker 引擎，请启动它，或去掉 PARKUNION_TEST_CONTAINERS"
    " / no Docker engine answers; start one, or unset PARKUNION_TEST_CONTAINERS ({reason})"
)
NOT_STARTED = "容器未能启动 / the container did not start: {image} ({reason})"
ELSEWHERE = "引擎的容器不在本机运行，不能向其进程发信号 / the engine runs its containers on another machine, so their processes get no signals from here"
NOT_OURS = "无权向容器的进程发信号（需要 root） / signals to the container's process need root here"

POSTGRES_OF_THE_IMAGE = {"listen_addresses", "unix_socket_directories"}
"""Settings that the image's entry point needs as they are there: it makes the cluster through the socket."""
POSTGRES_CLUSTER = "-A scram-sha-256 -E UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
CONTROLLER_PORT = 9093


def require_engine() -> None:
    """StartError, in one line of both languages, if no Docker engine answers."""
    try:
        with contextlib.closing(DockerClient().client) as client:
            client.ping()
    except (DockerException, OSError) as error:
        raise StartError(NO_ENGINE.format(reason=_one_line(error))) from None


class Contained:
    """What both have: one container, made at the first start, stopped and started with its data, removed at the end of the `with`."""

    data_dir: Path
    port: int | None
    image: str
    _container: DockerContainer | None = None

    if TYPE_CHECKING:
        start: Callable[..., None]
        _answers: Callable[[], bool]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self.remove()

    @property
    def pid(self) -> int | None:
        """The pid on this machine of the container's first process, None if it does not run. Skips the test where it could not be signalled."""
        state = self._state()
        if not state.get("Running"):
            return None
        number = int(state["Pid"])
        try:
            if str(self._docker().id) not in Path(f"/proc/{number}/cgroup").read_text():
                raise StartError(ELSEWHERE)
            os.kill(number, 0)
        except FileNotFoundError:
            raise StartError(ELSEWHERE) from None
        except PermissionError:
            pytest.skip(NOT_OURS)
        return number

    @property
    def exit_code(self) -> int | None:
        """The last exit code, 128 + number for a signal; None while it runs."""
        state = self._state()
        return None if not state or state.get("Running") else int(state["ExitCode"])

    def spawn(self) -> None:
        """Start the container of `prepare` without waiting for the server in it."""
        assert self._container is not None
        try:
            if self._state():
                self._docker().start()
            else:
                self._container.start()
        except (DockerException, OSError) as error:
            raise StartError(NOT_STARTED.format(image=self.image, reason=_one_line(error))) from None

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the server answers. StartError says why it does not."""
        # A container that listens is not yet a server that answers: the engine's proxy accepts connections before anyone is behind it.
        if not wait_for(lambda: not self._state().get("Running") or self._answers(), timeout) or not self._state().get("Running"):
            last = self._docker().logs(tail=3).decode(errors="replace") if self._state() else ""
            raise StartError(NOT_STARTED.format(image=self.image, reason=_one_line(last)))

    def stop(self, grace: float = 10.0) -> None:
        """Stop by the image's signal, SIGKILL after `grace` seconds; data and port stay. Nothing if it does not run."""
        if self._state():
            self._docker().stop(timeout=int(grace))

    def remove(self) -> None:
        """Remove the container and its volumes."""
        if self._container is not None:
            self._container.stop(force=True, delete_volume=True)
            self._container = None

    def _make(self, inside: int, environment: Mapping[str, str], command: Sequence[str] = ()) -> None:
        """Describe the container: port `inside` is `port` on 127.0.0.1."""
        try:
            container = DockerContainer(self.image, env=dict(environment))
        except (DockerException, OSError) as error:
            raise StartError(NO_ENGINE.format(reason=_one_line(error))) from None
        if command:
            container.with_command(list(command))
        # with_bind_ports() would open the port to the network. The engine's client takes the pair, the annotation does not know it.
        container.ports[f"{inside}/tcp"] = ("127.0.0.1", self.port)  # type: ignore[assignment]
        self._container = container

    def _docker(self) -> Container:
        assert self._container is not None
        return self._container.get_wrapped_container()

    def _state(self) -> dict[str, Any]:
        """The engine's `State` of the container; empty if there is none."""
        if self._container is None or self._container.status == "not_started":
            return {}
        self._container.reload()
        return dict(self._docker().attrs["State"])


class PostgresContainer(Contained, postgres.PostgresServer):
    """A PostgresServer in a container. `data_dir` keeps the passwords only."""

    def __init__(self, data_dir: Path, image: str) -> None:
        super().__init__(data_dir)
        self.image = image

    def prepare(self) -> None:
        """Choose the port and describe the container, once."""
        if self._container is None:
            self.port = free_port()
            settings = {name: value for name, value in postgres.SETTINGS.items() if name not in POSTGRES_OF_THE_IMAGE}
            options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
            environment = {"POSTGRES_PASSWORD": self.password(postgres.SUPERUSER), "POSTGRES_INITDB_ARGS": POSTGRES_CLUSTER, "TZ": "UTC"}
            self._make(5432, environment, ["postgres", *options])


class KafkaContainer(Contained, kafka.KafkaServer):
    """A KafkaServer in a container. Nothing is kept in `data_dir`."""

    def __init__(self, data_dir: Path, image: str) -> None:
        super().__init__(data_dir)
        self.image = image

    def prepare(self) -> None:
        """Choose the port and describe the container, once."""
        if self._container is None:
            self.port = free_port()
            settings = {
                **kafka.SETTINGS,
                "log.dirs": "/var/lib/kafka/data",
                # The same number inside and outside: the broker, too, reaches itself by the address that it advertises.
                "listeners": f"PLAINTEXT://0.0.0.0:{self.port},CONTROLLER://127.0.0.1:{CONTROLLER_PORT}",
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
                "controller.quorum.voters": f"1@127.0.0.1:{CONTROLLER_PORT}",
            }
            # The image's rule for its variables; a name with _ or - would need more.
            environment = {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in settings.items()}
            self._make(self.port, {**environment, "KAFKA_HEAP_OPTS": f"-Xmx{kafka.HEAP} -Xms64m"})


def _one_line(reason: object) -> str:
    return " | ".join(line.strip() for line in str(reason).splitlines() if line.strip())
