"""The result of an audit: each difference, and what an operator reads of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from services.subscriptions.proof.audit_store import Delivered
from services.subscriptions.proof.standing_facts import LogEvent

MOST_LISTED = 1_000
"""Differences that a report lists; it counts all of them."""

KINDS: Mapping[str, tuple[str, str]] = {
    "missing": ("应得而未编号", "entitled, and given no number"),
    "surplus": ("无权而已编号", "given a number without being entitled"),
    "twice": ("同一事件编号两次", "given two numbers for one event"),
    "content": ("内容不符", "the content is not what is granted"),
    "sent": ("发送的内容不符", "what was sent is not what the grant showed then"),
    "corrects": ("所更正的编号不符", "it names other numbers as corrected"),
    "numbering": ("编号不连续或日期不符", "numbers are not contiguous, or not of that day"),
    "order": ("同一对象的次序不符", "the events of a subject are out of order"),
    "decided_early": ("所在地未知时已分发", "decided before its place was known"),
    "held_back": ("所在地已知而仍在等待", "it waited although its place was known"),
}


@dataclass(slots=True)
class Report:
    """`events`: those decided on the day; `expected`, `deliveries`: numbers that should be and that are; `held`, `waiting`: what has yet to come.

    `different` = at most MOST_LISTED of the `differences`.
    """

    day: date
    at: datetime
    held: list[dict[str, Any]]
    waiting: list[dict[str, Any]]
    events: int = 0
    subscriptions: int = 0
    expected: int = 0
    deliveries: int = 0
    differences: int = 0
    different: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def add(
        self,
        kind: str,
        *,
        event: LogEvent | None = None,
        delivered: Delivered | None = None,
        subscription: UUID | None = None,
        expected: Any = None,
        found: Any = None,
    ) -> None:
        """Count a difference, and list it while there is room."""
        self.differences += 1
        if len(self.different) < MOST_LISTED:
            about = delivered if delivered is not None else event
            self.different.append(
                {
                    "kind": kind,
                    "subscription": delivered.subscription if delivered is not None else subscription,
                    "number": None if delivered is None else delivered.number,
                    "event_id": delivered.event_id if delivered is not None else event.id if event is not None else None,
                    "type": None if about is None else about.type,
                    "subject": None if about is None else about.subject,
                    "expected": _plain(expected),
                    "found": _plain(found),
                }
            )

    def add_all(self, kind: str, delivered: Iterable[Delivered], found: Any = None) -> None:
        """The same difference of each of these."""
        for one in delivered:
            self.add(kind, delivered=one, found=found)

    @property
    def empty(self) -> bool:
        """Whether the day has neither events nor numbers, as one before the platform began."""
        return not (self.events or self.expected or self.deliveries or self.differences)

    def body(self) -> dict[str, Any]:
        """As JSON."""
        names = ("day", "at", "events", "subscriptions", "expected", "deliveries", "differences", "different", "held", "waiting")
        return {
            **{name: getattr(self, name) for name in names},
            "left_out": self.differences - len(self.different),
            "seconds": round(self.seconds, 2),
        }


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else msgspec.to_builtins(value)


def print_report(report: Report) -> None:
    """For an operator."""
    print(f"核对 / audited: {report.day} ({report.seconds:.1f} s)")
    print(f"事件 / events: {report.events}   应得 / entitled: {report.expected}   编号 / numbers: {report.deliveries}")
    for one in report.different:
        zh, en = KINDS[one["kind"]]
        about = " ".join(
            f"{name}={one[name]}" for name in ("subscription", "number", "event_id", "type", "subject") if one[name] is not None
        )
        sides = "; ".join(f"{name}: {one[name]}" for name in ("expected", "found") if one[name] is not None)
        print(f"{one['kind']} {zh} / {en}: {about}{f' ({sides})' if sides else ''}")
    if left_out := report.differences - len(report.different):
        print(f"另有 {left_out} 处未列出 / {left_out} more are not listed")
    for one in report.held:
        print(f"停滞 / held: {one['source']} {one['subject']} {one['sequence']} ({one['kinds']}, {one['events']})")
    for one in report.waiting:
        print(f"等待 / waiting: {one['holder']} {one['event_id']} ({one['since']:%Y-%m-%dT%H:%M:%SZ})")
    if report.differences:
        print(f"差异 / differences: {report.differences}")
    elif report.empty:
        print("该日无事可核对:没有事件,也没有编号 / there is nothing of that day to audit: no event was decided, no number given")
    else:
        print("一致 / equal")
