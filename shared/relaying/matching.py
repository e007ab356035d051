"""Which events of a journal and records of a log have no counterpart yet.

Both sides are read in about the same order, so most events find their counterpart while both are in memory, and are forgotten then.
An event has a key: its id, its sequence in 19 digits, a space and its subject. Other keys than these are not compared here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shared.broker.protocol import Record
from shared.relaying.log_entries import LogEntry, attributes_of, entry_of

ID_LENGTH = 36
KEY = "event_id::text || lpad(sequence::text, 19, '0') || ' ' || subject"
"""SQL: the key of a row of the journal."""
_PARTITION_BITS = 20


class Unmatched(NamedTuple):
    """Ids of events of the journal, and records of the log, without a counterpart."""

    event_ids: list[str]
    entries: list[LogEntry]


class Matching:
    """Journal and log of `source` so far. `events`, `records`: how many came; `duplicates`: those whose key came before and had waited since.

    A second record of an event that has found its counterpart waits like one without.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._journal: set[str] = set()
        self._log: dict[str, int] = {}
        self._other: list[LogEntry] = []
        self.events = 0
        self.records = 0
        self.duplicates = 0

    @property
    def ahead(self) -> int:
        """How many events of the journal wait."""
        return len(self._journal)

    @property
    def waiting(self) -> int:
        """How many events and records wait in all."""
        return len(self._journal) + len(self._log) + len(self._other)

    def add_events(self, keys: Iterable[str]) -> None:
        """The next events of the journal, each once."""
        new = set(keys)
        self.events += len(new)
        for key in (matched := new & self._log.keys()):
            del self._log[key]
        self._journal |= new - matched if matched else new

    def add_records(self, records: Sequence[Record]) -> None:
        """The next records of one partition."""
        self.records += len(records)
        new = self._keys(records)
        if again := new.keys() & self._log.keys():
            self.duplicates += len(again)
            for key in again:
                del new[key]
        matched = new.keys() & self._journal
        self._journal -= matched
        if len(matched) < len(new):
            for key in matched:
                del new[key]
            self._log |= new

    def _keys(self, records: Sequence[Record]) -> dict[str, int]:
        """{key: place} of the records that have one."""
        keys: list[str] = []
        places: list[int] = []
        for record in records:
            found = attributes_of(record.value)
            if found is None or found.source != self._source:
                self._other.append(LogEntry(record.partition, record.offset, None, None, None))
            elif len(found.id) == ID_LENGTH and found.sequence.isdecimal():
                keys.append(f"{found.id}{found.sequence} {found.subject}")
                places.append(record.offset << _PARTITION_BITS | record.partition)
            else:
                self._other.append(entry_of(record.partition, record.offset, found.id, found.subject, found.sequence))
        new = dict(zip(keys, places, strict=True))
        self.duplicates += len(keys) - len(new)
        return new

    def take(self) -> Unmatched:
        """All that wait; they wait no more."""
        entries = [*self._other, *(self._entry(key, place) for key, place in self._log.items())]
        found = Unmatched([key[:ID_LENGTH] for key in self._journal], entries)
        self._journal, self._log, self._other = set(), {}, []
        return found

    @staticmethod
    def _entry(key: str, place: int) -> LogEntry:
        sequence, _, subject = key[ID_LENGTH:].partition(" ")
        return entry_of(place & (1 << _PARTITION_BITS) - 1, place >> _PARTITION_BITS, key[:ID_LENGTH], subject, sequence)
