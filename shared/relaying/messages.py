"""Rows of the journal as the records that are published, thousands at a time.

The bytes are those of `shared.journal.journal.cloud_event`. The database writes ids, sequences and times as text, so that nothing is made an object
that is only written down again.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shared.broker.protocol import DAY, Message, partition_for, partition_of
from shared.contracts.envelope import JSON, SEQUENCE_DIGITS, TextEvent
from shared.process.db import Record

COLUMNS = f"""
j.id, j.subject, j.partition_key, j.event_id::text, j.type, lpad(j.sequence::text, {SEQUENCE_DIGITS}, '0'),
to_char(j.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), to_char(j.occurred_on, 'YYYY-MM-DD'), j.actor, j.origin,
j.cause_id::text, j.traceparent, j.data::text
"""
"""SQL: what `messages` takes of a row `j` of the journal, before the column `partition` (NULL: the key decides)."""
_DAYS = f"{DAY}/"
_WHOLE_SECOND = ".000000"


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def messages(rows: Iterable[Record], source: str, partitions: int) -> list[Message]:
    """The record of each row, for a topic of the CloudEvents source `source` with so many partitions."""
    found = []
    for row in rows:
        _, subject, key, event_id, type_, sequence, at, on, actor, origin, cause, traceparent, data, given = row
        if given is None:
            given = partition_for(subject, key, partitions) if subject.startswith(_DAYS) else partition_of(key, partitions)
        time, content = f"{at.removesuffix(_WHOLE_SECOND)}Z", _decode(data)
        wire = TextEvent("1.0", event_id, source, type_, subject, key, sequence, time, on, actor, origin, content, JSON, cause, traceparent)
        found.append(Message(given, key.encode(), _encode(wire)))
    return found
