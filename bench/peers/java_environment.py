"""Jars of the peers that run on Java, and our own sources compiled for them, in `.venv-peers/share/java`; the JRE is the stack's.

`.venv/bin/python -m bench.peers.java_environment --relock` prints a new `jars.lock`.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench import command
from bench.peers import environment
from deploy.local.servers import jars
from deploy.local.servers.kafka import java

LOCK = Path(__file__).with_name("jars.lock")
SOURCES = Path(__file__).with_name("java")
FOLDER = environment.FOLDER / "share" / "java"
FLINK = "2.2.1"
"""The release before the newest: that of the newest connector for Kafka."""
COORDINATES = (
    "org.apache.kafka:kafka-streams:4.4.0",
    "org.rocksdb:rocksdbjni:10.1.3",
    "org.postgresql:postgresql:42.7.8",
    "org.eclipse.jdt:ecj:3.43.0",
    f"org.apache.flink:flink-annotations:{FLINK}",
    f"org.apache.flink:flink-clients:{FLINK}",
    f"org.apache.flink:flink-connector-base:{FLINK}",
    f"org.apache.flink:flink-connector-datagen:{FLINK}",
    f"org.apache.flink:flink-core:{FLINK}",
    f"org.apache.flink:flink-core-api:{FLINK}",
    f"org.apache.flink:flink-hadoop-fs:{FLINK}",
    f"org.apache.flink:flink-metrics-core:{FLINK}",
    f"org.apache.flink:flink-queryable-state-client-java:{FLINK}",
    f"org.apache.flink:flink-rpc-akka-loader:{FLINK}",
    f"org.apache.flink:flink-rpc-core:{FLINK}",
    f"org.apache.flink:flink-runtime:{FLINK}",
    "org.apache.flink:flink-connector-kafka:5.0.0-2.2",
    "org.apache.flink:flink-shaded-asm-9:9.6-20.0",
    "org.apache.flink:flink-shaded-guava:33.4.0-jre-20.0",
    "org.apache.flink:flink-shaded-jackson:2.18.2-20.0",
    "org.apache.flink:flink-shaded-netty:4.1.100.Final-20.0",
    "org.apache.flink:flink-shaded-zookeeper-3:3.7.2-20.0",
    "com.esotericsoftware:kryo:5.6.2",
    "org.snakeyaml:snakeyaml-engine:2.6",
    "commons-io:commons-io:2.15.1",
    "org.apache.commons:commons-lang3:3.18.0",
    "org.apache.commons:commons-text:1.10.0",
    "org.apache.commons:commons-compress:1.26.0",
    "org.apache.commons:commons-math3:3.6.1",
)
"""What these need besides is among the jars of the broker, with which the releases agree; or is not loaded by what we run."""


def provide() -> str:
    """The class path of the compiled sources; fetches and compiles what is missing or changed."""
    environment.provide()
    FOLDER.mkdir(parents=True, exist_ok=True)
    paths = [_provided(coordinate, digest) for coordinate, digest in locked().items()]
    path = ":".join([*map(str, paths), jars.classpath()])
    sources = sorted(SOURCES.glob("*.java"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources) + LOCK.read_bytes()).hexdigest()
    classes = FOLDER / f"classes-{digest[:16]}"
    if not classes.is_dir():
        with tempfile.TemporaryDirectory(dir=FOLDER) as place:
            compiler = next(str(one) for one in paths if one.name.startswith("ecj-"))
            options = ["-21", "-nowarn", "-encoding", "UTF-8", "-cp", path, "-d", place]
            subprocess.run([java(), "-jar", compiler, *options, *map(str, sources)], check=True)
            shutil.copytree(place, classes)
    return f"{classes}:{path}"


def locked() -> dict[str, str]:
    """{coordinate: SHA-256}"""
    lines = [line for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split(maxsplit=1) for line in lines)


def _provided(coordinate: str, digest: str) -> Path:
    _, artifact, version = coordinate.split(":")
    path = FOLDER / f"{artifact}-{version}.jar"
    if not path.is_file() or jars.sha256(path) != digest:
        with tempfile.TemporaryDirectory(dir=FOLDER) as place:
            fetched = _fetched(coordinate, Path(place))
            if jars.sha256(fetched) != digest:
                raise jars.JarMismatchError(f"{coordinate}: SHA-256 is not the one in {LOCK.name}")
            shutil.move(fetched, path)
    return path


def _fetched(coordinate: str, cache: Path) -> Path:
    context = jars._maven(cache)
    return Path(context.create_dependency(coordinate).artifact.resolve())


def relock() -> str:
    """The text of a new lock."""
    with tempfile.TemporaryDirectory() as place:
        found = {coordinate: jars.sha256(_fetched(coordinate, Path(place))) for coordinate in COORDINATES}
    return "".join(f"{coordinate} {digest}\n" for coordinate, digest in sorted(found.items()))


if __name__ == "__main__":
    options = command.options("bench.peers.java_environment", __doc__)
    options.add_argument("--relock", action="store_true", required=True)
    command.begin(options)
    print("# Jars of the peers, made by `.venv/bin/python -m bench.peers.java_environment --relock`.\n" + relock(), end="")
