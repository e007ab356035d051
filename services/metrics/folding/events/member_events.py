"""Members' events that come as objects: which they are, and the runs of facts that they make (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import TypeAlias

import msgspec

from services.metrics.counted import MEMBERS, kind_of
from services.metrics.folding.changes import RefusedFact
from services.metrics.folding.events.recorded import RecordedFact
from shared import contracts
from shared.sequencing.records import Received, Run

AREA = "area/"
MEMBER_TYPES: Mapping[str, int] = {name: MEMBERS[kind_of(name)] for name in contracts.TYPES if kind_of(name) in MEMBERS}
"""{type of an event that changes members alone: what one adds}"""
GIVING_REASON = frozenset(
    name for name in MEMBER_TYPES if any(f.name == "reason" and f.required for f in msgspec.structs.fields(contracts.TYPES[name]))
)
"""Those of them that always give a reason."""
REASON = re.compile(r"(?!.*\d{6})[A-Za-z0-9_.-]{1,64}", re.ASCII)
"""The reasons that are kept. Releases before 0.3 let anything of this form pass, document numbers too: so no six digits in a row."""


def of_members(record: Received) -> bool:
    """Whether an event changes members alone. Raises RefusedFact if its subject cannot be stored."""
    return record.type in MEMBER_TYPES and _of_one_subject(record)


def all_of_members(run: Run) -> bool:
    """Whether every event of a run does. Raises as `of_members`."""
    return {record.type for record in run} <= MEMBER_TYPES.keys() and _of_one_subject(run[0])


def _of_one_subject(record: Received) -> bool:
    source, subject = record.stream
    if subject.startswith(AREA):
        return False
    if "\x00" in source or "\x00" in subject:
        raise RefusedFact("NUL_CHARACTER")
    return True


def recorded_member(record: Received) -> RecordedFact:
    """What a withdrawal that names such an event needs of it."""
    assert record.type is not None, "it can be decoded"
    assert record.occurred is not None, "it can be decoded"
    return RecordedFact(kind_of(record.type), record.occurred, None)


_RunKey: TypeAlias = tuple[str, date, str, str | None]
"""(type, known day, actor, reason)"""


def runs_of(records: Run, known_of: Callable[[datetime], date]) -> Iterable[tuple[_RunKey, Run]]:
    """Events of one stream divided by what a run shares. Mostly they are one run, which is seen without a key for each."""
    first = records[0]
    if first.type not in GIVING_REASON and {(record.type, record.actor, record.opened) for record in records} == {
        (first.type, first.actor, None)
    }:
        times = [record.time for record in records if record.time is not None]
        known = known_of(min(times))
        if known == known_of(max(times)) and first.type is not None and first.actor is not None:
            return [((first.type, known, first.actor, None), records)]
    found: dict[_RunKey, list[Received]] = {}
    for record in records:
        assert record.type is not None, "only what can be decoded is applied"
        assert record.actor is not None, "only what can be decoded is applied"
        assert record.time is not None, "only what can be decoded is applied"
        reason = None if record.opened is None and record.type not in GIVING_REASON else _reason_of(record)
        found.setdefault((record.type, known_of(record.time), record.actor, reason), []).append(record)
    return found.items()


def _reason_of(record: Received) -> str | None:
    event = record.event
    return None if event is None else reason_of(event.data)


def reason_of(data: contracts.Event) -> str | None:
    """The code that was given as the reason of a fact, a correction or a withdrawal."""
    if "reason" not in data.__struct_fields__:
        return None
    found = getattr(data, "reason", None)
    return found if isinstance(found, str) and REASON.fullmatch(found) else None


def storable(text: str | None) -> str | None:
    """A text that is shown beside a fact: one that PostgreSQL cannot store never holds its stream up."""
    return text.replace("\x00", "") if text else text
