"""Why an event is parked. The column `held.error` holds a code and a detail; here is what each code means, in Chinese and in English.

A detail consists of numbers, ids and names of types, or is the decoder's English message; it is not translated. Rows written by releases up
to 0.2 have no code and are shown as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class ReasonText(NamedTuple):
    """The meaning of a code."""

    zh: str
    en: str


# One line a code, as in shared/problems/catalogue.
# fmt: off
REASONS: Mapping[str, ReasonText] = {
    "UNREADABLE": ReasonText("本版本无法读取该事件", "this release cannot read the event"),
    "RULE": ReasonText("规则不接受该事件", "a rule refuses the event"),
    "NO_FACT": ReasonText("不是本服务所知的企业、工会或区域的事实", "no fact of an enterprise, a union or an area that is known here"),
    "BAD_FACT": ReasonText("更正所载的事实无法读取", "the fact that the correction carries cannot be read"),
    "HEADCOUNT": ReasonText("职工人数须在 0 与 10⁹ 之间", "a headcount lies between 0 and 10⁹"),
    "NUL_CHARACTER": ReasonText("文本含字符 U+0000", "a text holds the character U+0000"),
    "FORK": ReasonText("另有事件占用此序号,或有更后的事件记录得更早", "another event has this sequence, or a later one was recorded before it"),
    "DAY_CLOSED": ReasonText("记录于来源已关闭的一天:该日的数字已定", "recorded on a day that its source had closed: the figures of that day are final"),
    "NO_RANGE": ReasonText("撤销所列的序号不是它之前的区间", "the withdrawal names no range of sequences before its own"),
}
# fmt: on

_CODED = re.compile(r"([A-Z][A-Z_]+)(?:: (.*))?", re.DOTALL)
LONGEST_ERROR = 500
"""Characters of `held.error`."""


class DomainError(Exception):
    """A rule refuses an event for good: it is parked, and its stream with it. Never raised for a network or database failure.

    `code` is one of REASONS, `detail` its numbers and ids.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(coded(code, detail))
        self.code = code
        self.detail = detail


def coded(code: str, detail: str | None = None) -> str:
    """A reason in the form of `held.error`, such as `HEADCOUNT: -1`."""
    return (f"{code}: {detail}" if detail else code)[:LONGEST_ERROR]


def reason_for(error: Exception) -> str:
    """The reason in the form of `held.error` for which an exception refuses an event."""
    return str(error)[:LONGEST_ERROR] if isinstance(error, DomainError) else coded("RULE", f"{type(error).__name__}: {error}")


class ParkedReason(NamedTuple):
    """A reason for people. Without a code `zh` and `en` are empty and `detail` is the whole text."""

    code: str | None
    zh: str
    en: str
    detail: str


def parse_reason(error: str | None) -> ParkedReason | None:
    """Read `held.error`; None stays None."""
    if error is None:
        return None
    found = _CODED.fullmatch(error)
    if found is None or found[1] not in REASONS:
        return ParkedReason(None, "", "", error)
    return ParkedReason(found[1], *REASONS[found[1]], found[2] or "")
