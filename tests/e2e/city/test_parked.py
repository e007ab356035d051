"""A held stream from outside: found, looked into, tried again in vain, withdrawn by its source, and gone on with."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg

from deploy.local.commands.parked import READERS
from tests.e2e.city.conftest import City
from tests.e2e.platform import parkunion, run_in_process, until

SAY_UNREADABLE = """
WITH s AS (
    UPDATE streams SET sequence = sequence + 1 WHERE subject = $1 RETURNING sequence
), j AS (
    INSERT INTO journal (subject, sequence, event_id, type, recorded_at, occurred_on, actor, origin, partition_key, data)
    SELECT $1, sequence, gen_random_uuid(), 'parkunion.mood-reported.v1', parkunion_now(), '2024-03-01', 'x', 'api', $2, '{}' FROM s
    RETURNING id, sequence
), o AS (
    INSERT INTO outbox (id) SELECT id FROM j
)
SELECT sequence FROM j
"""


async def say_unreadable(city: City, enterprise: str) -> int:
    """A later release of the registry said something that this one does not know."""
    conn = await asyncpg.connect(city.platform.status()["postgres"]["dsn"]["registry"])
    try:
        return int(await conn.fetchval(SAY_UNREADABLE, f"enterprise/{enterprise}", enterprise))
    finally:
        await conn.close()


def parked(city: City, *words: str) -> tuple[int, dict[str, Any]]:
    """(exit code, what `parked … --json` says)"""
    done = run_in_process("parked", *words, "--json", "--data", city.platform.data)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def test_a_held_stream_is_found_withdrawn_and_gone_on_with(city: City) -> None:
    platform, subject = city.platform, f"enterprise/{city.enterprise}"
    assert parked(city, "list") == (0, {"items": []})
    sequence = asyncio.run(say_unreadable(city, city.enterprise))
    until(lambda: parked(city, "list")[0] == 1 and len(parked(city, "list")[1]["items"]) == len(READERS), "every reader holds the event")
    items = parked(city, "list")[1]["items"]
    assert {(one["service"], one["subject"], one["kind"], one["sequence"]) for one in items} == {
        (service, subject, "unreadable", sequence) for service in READERS
    }
    code, shown = parked(city, "show", subject)
    assert (code, {one["event"]["type"] for one in shown["items"]}) == (0, {"parkunion.mood-reported.v1"})
    code, tried = parked(city, "retry", subject)
    assert (code, tried["asked"], len(tried["items"])) == (1, len(READERS), len(READERS))
    assert all(one["tried_at"] for one in tried["items"])
    assert run_in_process("parked", "show", "enterprise/nobody", "--data", platform.data).returncode == 1
    assert parkunion("parked", "retry", "--data", platform.data, check=False).returncode == 2
    body = {"subject": subject, "from": sequence, "to": sequence, "reason": "unknown_type"}
    assert platform.post("registry", "/v1/withdrawals", body).status_code == 201
    said = platform.post("registry", f"/v1/enterprises/{city.enterprise}/headcounts", {"on": "2024-04-01", "workers": 44})
    assert said.status_code == 201, said.text
    until(lambda: parked(city, "list")[0] == 0, "nothing is held")
    until(lambda: platform.figures(area="C1", by="park")["C1-P001"]["workers"] == 44, "what came after it counts")
