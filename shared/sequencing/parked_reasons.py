"""Why an event is parked, in Chinese and in English: `held.error` holds the code and the detail, here is what the code means.

A detail is of numbers, ids and names of types, or what a decoder said in English; it is never translated. What releases up to 0.2 wrote
has no code: it is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Reason(NamedTuple):
    """What a code means."""

    zh: str
    en: str


# One line a code, as in shared/problems/catalogue.py.
# fmt: off
REASONS: Mapping[str, Reason] = {
    "UNREADABLE": Reason("本版本无法读取该事件", "this release cannot read the event"),
    "RULE": Reason("规则不接受该事件", "a rule refuses the event"),
    "NO_FACT": Reason("不是本服务所知的企业、工会或区域的事实", "no fact of an enterprise, a union or an area that is known here"),
    "BAD_FACT": Reason("更正所载的事实无法读取", "the fact that the correction carries cannot be read"),
    "HEADCOUNT": Reason("职工人数须在 0 与 10⁹ 之间", "a headcount lies between 0 and 10⁹"),
    "NUL_CHARACTER": Reason("文本含字符 U+0000", "a text holds the character U+0000"),
    "FORK": Reason("另有事件占用此序号,或有更后的事件记录得更早", "another event has this sequence, or a later one was recorded before it"),
    "DAY_CLOSED": Reason("记录于来源已关闭的一天:该日的数字已定", "recorded on a day that its source had closed: the figures of that day are final"),
    "NO_RANGE": Reason("撤销所列的序号不是它之前的区间", "the withdrawal names no range of sequences before its own"),
}
# fmt: on

_CODED = re.compile(r"([A-Z][A-Z_]+)(?:: (.*))?", re.DOTALL)
MOST = 500
"""Characters of `held.error`."""


class DomainError(Exception):
    """A rule refuses an event for good: it is parked, and its stream with it. Nothing about the network or the database is one.

    `code` is one of REASONS, `detail` what it is about.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(coded(code, detail))
        self.code = code
        self.detail = detail


def coded(code: str, detail: str | None = None) -> str:
    """A reason as `held.error` keeps it."""
    return (f"{code}: {detail}" if detail else code)[:MOST]


def reason_of(error: Exception) -> str:
    """The reason for which an exception refuses an event."""
    return str(error)[:MOST] if isinstance(error, DomainError) else coded("RULE", f"{type(error).__name__}: {error}")


class Told(NamedTuple):
    """A reason that was kept, for people: without a code `zh` and `en` are empty and `detail` says it all."""

    code: str | None
    zh: str
    en: str
    detail: str


def told(error: str | None) -> Told | None:
    """What a kept reason says; None: there is none."""
    if error is None:
        return None
    found = _CODED.fullmatch(error)
    if found is None or found[1] not in REASONS:
        return Told(None, "", "", error)
    return Told(found[1], *REASONS[found[1]], found[2] or "")
