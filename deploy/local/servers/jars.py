"""The Kafka broker's jars: resolved by jgo, pinned in `kafka-jars.lock` by name and SHA-256, kept in the project's environment.

Run by `setup.py` with the environment's own Python: `python -m deploy.local.servers.jars` fetches what is missing,
`python -m deploy.local.servers.jars --relock` resolves the two coordinates again and prints a new lock.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

COORDINATES = ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-api:2.0.20", "org.slf4j:slf4j-simple:2.0.20")
UNUSED = {
    "argparse4j": "command-line tools only",
    "commons-beanutils": "wanted by the digester of commons-validator; the broker uses its address validator only",
    "commons-collections": "as commons-beanutils",
    "commons-digester": "as commons-beanutils",
    "commons-logging": "as commons-beanutils",
    "jackson-dataformat-yaml": "reads the configuration of log4j",
    "jspecify": "annotations, read by compilers only",
    "log4j-core": "log4j-api stays, the broker asks it for its loggers; the broker logs through slf4j-simple",
    "scala-reflect": "macros, read by compilers only",
    "snakeyaml": "as jackson-dataformat-yaml",
}
"""{artifact that Kafka depends on: why a broker runs without it}. What is not there needs no watch for holes."""
LOCK = Path(__file__).with_name("kafka-jars.lock")
FOLDER = Path(sys.prefix) / "share" / "kafka"
FETCHERS = 8


class JarMismatchError(Exception):
    """The SHA-256 of a fetched jar is not that of the lock."""


def locked() -> dict[str, str]:
    """The lock: Maven coordinate `group:artifact:version` → SHA-256 in hex."""
    lines = [line for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split(maxsplit=1) for line in lines)


def jar_path(coordinate: str) -> Path:
    _, artifact, version = coordinate.split(":")
    return FOLDER / f"{artifact}-{version}.jar"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def classpath() -> str:
    """The broker's class path. Raises FileNotFoundError if a jar is missing."""
    paths = [jar_path(coordinate) for coordinate in locked()]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(path)
    return ":".join(map(str, paths))


def fetch() -> int:
    """Fetch missing and damaged jars; returns their number."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = {c: d for c, d in locked().items() if not jar_path(c).is_file() or sha256(jar_path(c)) != d}
    if not wanted:
        return 0
    with tempfile.TemporaryDirectory(dir=FOLDER) as temporary, ThreadPoolExecutor(FETCHERS) as threads:
        context = _maven(Path(temporary))
        list(threads.map(lambda item: _fetch_one(context, *item), wanted.items()))
    return len(wanted)


def _fetch_one(context: Any, coordinate: str, digest: str) -> None:
    fetched = Path(context.create_dependency(coordinate).artifact.resolve())
    if sha256(fetched) != digest:
        raise JarMismatchError(f"{coordinate}: SHA-256 is not the one in {LOCK.name}")
    shutil.move(fetched, jar_path(coordinate))


def _maven(cache: Path) -> Any:
    from jgo.maven import MavenContext  # type: ignore[import-untyped, unused-ignore]

    return MavenContext(repo_cache=cache, timeout=60)


def relock() -> str:
    """Resolve `COORDINATES` with their run-time dependencies, without `UNUSED`; returns the text of a new lock.

    Raises ValueError if an artifact of `UNUSED` is no dependency any more.
    """
    with tempfile.TemporaryDirectory() as temporary:
        context = _maven(Path(temporary))
        inputs, transitive = context.resolver.resolve([context.create_dependency(c) for c in COORDINATES])
        all_of_them = [*inputs, *transitive]
        gone = UNUSED.keys() - {d.artifactId for d in all_of_them}
        if gone:
            raise ValueError(f"no dependency of Kafka any more, remove from UNUSED: {', '.join(sorted(gone))}")
        used = [d for d in all_of_them if d.artifactId not in UNUSED]
        found = {f"{d.groupId}:{d.artifactId}:{d.version}": sha256(Path(d.artifact.resolve())) for d in used}
    return "".join(f"{coordinate} {found[coordinate]}\n" for coordinate in sorted(found))


if __name__ == "__main__":
    if "--relock" in sys.argv:
        print("# Jars of the local broker, made by `python -m deploy.local.servers.jars --relock`.\n" + relock(), end="")
    else:
        fetch()
