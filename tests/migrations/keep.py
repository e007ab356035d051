"""Keeps what a release leaves behind, so that every later one is tried on it: `python -m tests.migrations.keep 0.2`.

Into `tests/migrations/<version>/`: per service `<service>.sql.gz` (schema and rows, as pg_dump writes them), `topics.ndjson.gz` (every record
of every topic with topic, partition, offset, key and value), `figures.json` (what the coverage API answered), `keys.json` (the keys that
open the rows: they have never opened anything else) and the release's wheel. The history has one of every command; persons are invented.
From 0.2 on it has two days: one that is closed, and the next, on which facts that counted are corrected and withdrawn. A generation that was
built beside the first one serves.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.folder import ROOT
from deploy.local.servers.postgres import SUPERUSER, binaries
from deploy.local.supervising.processes import PARTITIONS, SERVICES, TOPICS
from tests.e2e.platform import SAMPLE, Platform, parkunion, until

CASES = 20
"""Lines of the sample that are loaded besides (0.1 has 40)."""
QUESTIONS: tuple[dict[str, str], ...] = (
    {"by": "district", "as_of": "2021-12-31"},
    {"by": "park", "as_of": "2024-12-31"},
    {"by": "size", "as_of": "2024-12-31"},
    {"by": "industry", "as_of": "2024-06-30", "area": "K1"},
)
WAITS: tuple[dict[str, str], ...] = ({"by": "district", "as_of": "2024-12-31"}, {"by": "park", "as_of": "2024-06-30", "area": "K"})
"""What is asked of durations."""
DOCUMENTS = (
    {"kind": "resident_id", "number": "11010519491231002X"},
    {"kind": "passport", "number": "E00000001"},
    {"kind": "sample", "number": "keep/1"},
)


def keep(folder: Path) -> None:
    """Make the folder anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _wheel(folder)
    with tempfile.TemporaryDirectory() as place:
        platform = Platform.start(Path(place) / "stack", "--test-clock")
        try:
            tell(platform)
            imported = parkunion("import", "nlrb", _slice(Path(place)), "--data", platform.data, check=False)
            if imported.returncode != 0:
                raise SystemExit(f"the sample was not taken whole: {imported.stdout}{imported.stderr}")
            until(platform.settled, "everything is projected")
            parkunion("rebuild", "--switch", "--data", platform.data)
            advance = partial(parkunion, "clock", "advance", "1d", "--data", platform.data)
            tell_what_is_taken_back(platform, lambda: turn(platform, lambda: advance().stdout))
            (folder / "figures.json").write_text(json.dumps(_answers(platform), ensure_ascii=False, indent=1) + "\n", "utf-8")
            status = platform.status()
            for service in SERVICES:
                _dump(urlsplit(status["postgres"]["dsn"][service]), platform.data / "keys", folder / f"{service}.sql.gz")
            records = asyncio.run(_records(status["kafka"]["bootstrap"]))
            _write(folder / "topics.ndjson.gz", "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode())
            _keys(platform.data, folder / "keys.json")
        finally:
            platform.stop()


def _slice(place: Path) -> Path:
    file = place / "slice.csv"
    with SAMPLE.open(encoding="utf-8-sig", newline="") as whole, file.open("w", encoding="utf-8", newline="") as part:
        rows = csv.reader(whole)
        csv.writer(part).writerows(row for _, row in zip(range(CASES + 1), rows, strict=False))
    return file


def _answers(platform: Platform) -> list[dict[str, Any]]:
    """What is served at the end of the closed day and of the day after it. `known_at` is always named: the clock was turned."""
    closed = date.fromisoformat(str(closed_day(platform)))
    found = []
    for known in (closed, closed + timedelta(days=1)):
        for path, questions in (("/v1/coverage", QUESTIONS), ("/v1/durations", WAITS)):
            for question in questions:
                params = {**question, "known_at": known.isoformat()}
                answer = platform.get("metrics", path, **params).raise_for_status().json()
                final: dict[str, Any] = {"provisional": []} if known == closed else {}
                if final and answer["provisional"]:
                    raise SystemExit(f"{path} {params}: {answer['provisional']}")
                found.append({"path": path, "params": params, "rows": answer["rows"], **final})
    return found


def _accepted(platform: Platform, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer of a command, which is said again while what it names is not known yet."""
    answers = []

    def accepted() -> bool:
        answers.append(platform.post(service, path, body))
        return answers[-1].status_code != 409

    until(accepted, path)
    if answers[-1].status_code != 201:
        raise SystemExit(f"{path}: {answers[-1].text}")
    content: dict[str, Any] = answers[-1].json()
    return content


def tell(platform: Platform) -> None:
    """One of every command of 0.1, and of every correction."""

    def say(service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return _accepted(platform, service, path, body)

    areas = [("K", "division", None), ("K1", "division", "K"), ("K2", "division", "K")]
    areas += [("K1-P001", "park", "K1"), ("K2-P001", "park", "K2")]
    for code, kind, parent in areas:
        say("registry", "/v1/areas", {"code": code, "name": f"示例{code}", "kind": kind, "parent": parent})
    firms = []
    for n in range(8):
        body = {"name": f"示例企业{n}", "park": f"K{n % 2 + 1}-P001", "settled_on": f"2023-0{n + 1}-05"}
        firms.append(say("registry", "/v1/enterprises", {**body, "industry": "C35", "ownership": "private"} if n == 0 else body))
        say("registry", f"/v1/enterprises/{firms[n]['id']}/headcounts", {"on": "2023-09-30", "workers": 20 + 5 * n})
    first, second, third, fourth = (firm["id"] for firm in firms[:4])
    say("registry", f"/v1/enterprises/{second}/moves", {"on": "2024-02-01", "park": "K1-P001"})
    say("registry", f"/v1/enterprises/{second}/classifications", {"on": "2024-02-02", "industry": "I65", "revenue": 12_000_000})
    wrong = say("registry", f"/v1/enterprises/{third}/headcounts", {"on": "2024-03-01", "workers": 3000})
    say("registry", "/v1/corrections", {"corrects": wrong["event_ids"][0], "reason": "typo", "data": {"workers": 30}})
    say("registry", "/v1/corrections", {"corrects": firms[4]["event_ids"][0], "reason": "typo", "data": {"settled_on": "2022-12-30"}})
    unions = [
        say("membership", "/v1/unions", {"kind": kind, "seat_area": park, "approved_on": on, "enterprises": [firm]})["id"]
        for kind, park, on, firm in (
            ("joint_union", "K1-P001", "2023-05-04", first),
            ("enterprise_union", "K1-P001", "2024-03-03", second),
            ("enterprise_union", "K2-P001", "2024-01-08", fourth),
        )
    ]
    members = [
        say("membership", "/v1/members", {"union_id": unions[0], "enterprise_id": first, "document": document, "joined_on": "2023-06-01"})
        for document in DOCUMENTS
    ]
    say("membership", f"/v1/members/{members[0]['id']}/leave", {"on": "2024-01-05", "reason": "resigned"})
    say("membership", f"/v1/members/{members[1]['id']}/transfer", {"on": "2024-04-01", "union_id": unions[1], "enterprise_id": second})
    say("membership", "/v1/corrections", {"corrects": members[2]["event_ids"][0], "reason": "typo", "data": {"joined_on": "2023-07-01"}})
    say("membership", f"/v1/unions/{unions[0]}/coverage", {"enterprise_id": third, "on": "2024-05-05", "started": True})
    say("membership", f"/v1/unions/{unions[2]}/dissolution", {"on": "2024-08-01", "reason": "merged"})
    say("registry", f"/v1/enterprises/{third}/closure", {"on": "2024-09-30", "reason": "moved_away"})
    until(platform.settled, "all is told")


def tell_what_is_taken_back(platform: Platform, next_day: Callable[[], object]) -> None:
    """What 0.2 has besides: withdrawals in both services, of one event and of a range, on the same day and of what a closed day counts.

    It is told of areas that `tell` registers; `next_day` returns when the day is closed.
    """

    def say(service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return _accepted(platform, service, path, body)

    def withdraw(service: str, made: dict[str, Any], first: int | None = None, **why: str) -> None:
        last = made["sequence"]
        say(service, "/v1/withdrawals", {"subject": made["subject"], "from": first or last, "to": last, **why})

    def headcount(firm: str, on: str, workers: int) -> dict[str, Any]:
        return say("registry", f"/v1/enterprises/{firm}/headcounts", {"on": on, "workers": workers})

    def settle(name: str) -> str:
        made = say("registry", "/v1/enterprises", {"name": name, "park": "K1-P001", "settled_on": "2023-02-06"})
        return str(made["id"])

    firm, twice = settle("示例误报厂"), settle("示例重复厂")
    counted, unsaid = headcount(firm, "2023-10-01", 60), headcount(firm, "2024-02-01", 310)
    late, foreign = headcount(firm, "2024-03-01", 64), headcount(firm, "2024-04-01", 9000)
    union = say(
        "membership", "/v1/unions", {"kind": "enterprise_union", "seat_area": "K1-P001", "approved_on": "2024-02-02", "enterprises": [firm]}
    )
    members = [
        say(
            "membership",
            "/v1/members",
            {
                "union_id": union["id"],
                "enterprise_id": firm,
                "document": {"kind": "sample", "number": f"keep/back/{n}"},
                "joined_on": "2024-03-01",
            },
        )
        for n in range(3)
    ]
    until(platform.settled, "what is taken back is counted")
    withdraw("registry", foreign, reason="wrong_enterprise")
    withdraw("membership", members[0], reason="never_was", note="登记到了别人名下")
    until(platform.settled, "what is taken back on its own day is told")

    next_day()
    withdraw("registry", unsaid, reason="never_was", note="系统写错")
    withdraw("registry", headcount(twice, "2023-10-01", 60), first=1, reason="duplicate", note="registered twice")
    withdraw("membership", members[1], reason="never_was")
    say("registry", "/v1/corrections", {"corrects": late["event_ids"][0], "reason": "typo", "data": {"workers": 46}})
    say("registry", "/v1/corrections", {"corrects": counted["event_ids"][0], "reason": "typo", "data": None})
    say("membership", "/v1/corrections", {"corrects": members[2]["event_ids"][0], "reason": "typo", "data": {"joined_on": "2024-04-01"}})
    until(platform.settled, "what a closed day counts is taken back")


def turn(platform: Platform, advance: Callable[[], str]) -> None:
    """The clock a day on, by a release's `clock advance 1d`, whose output `advance` returns; the day that is left behind is closed then."""
    today = date.fromisoformat(advance().split()[0])
    until(lambda: closed_day(platform) == (today - timedelta(days=1)).isoformat(), "the day left behind is closed", 400)


def closed_day(platform: Platform) -> str | None:
    """The last closed day."""
    found: str | None = platform.get("metrics", "/readyz").json()["closed_day"]
    return found


def _dump(dsn: SplitResult, keys: Path, file: Path) -> None:
    """The database at `dsn` whole, also what row-level security hides from its own roles."""
    env = {"PATH": "/usr/bin:/bin", "PGPASSWORD": (keys / f"database-{SUPERUSER}").read_text(), "LC_ALL": "C"}
    where = ["-h", str(dsn.hostname), "-p", str(dsn.port), "-U", SUPERUSER, "-d", dsn.path[1:]]
    done = subprocess.run([str(binaries() / "pg_dump"), *where], capture_output=True, env=env, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr.decode())
    _write(file, done.stdout)


async def _records(bootstrap: str) -> list[dict[str, Any]]:
    """Every record, per topic and partition in the order of its offsets."""
    places = [TopicPartition(topic, partition) for topic in TOPICS for partition in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    consumer.assign(places)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(places)
        found: list[dict[str, Any]] = []
        while len(found) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    key, value = (record.key or b"").decode(), (record.value or b"").decode()
                    found.append(
                        {"topic": record.topic, "partition": record.partition, "offset": record.offset, "key": key, "value": value}
                    )
    finally:
        await consumer.stop()
    return sorted(found, key=lambda record: (record["topic"], record["partition"], record["offset"]))


def _keys(data: Path, file: Path) -> None:
    found = {
        path.name: path.read_text("utf-8").strip()
        for path in sorted((data / "keys").iterdir())
        if path.name.startswith(("encryption", "hash"))
    }
    file.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed:
        packed.write(content)


def _wheel(folder: Path) -> None:
    """Built as every release is: from what the project's file says, without its development tools."""
    program = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(program, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"})


if __name__ == "__main__":
    keep(ROOT / "tests" / "migrations" / sys.argv[1])
