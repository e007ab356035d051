"""Why a figure may still change, or is an outlook: the codes of `provisional` in answers, as sentences in Chinese and in English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# One reason a line: the table is read and compared by eye, as a table.
# fmt: off
REASONS: Mapping[str, tuple[str, str]] = {
    "FUTURE": ("业务日期 {as_of} 尚未到来：这是按目前所知的预计，不是已发生的数字", "the business date {as_of} is still to come: this is an outlook by what is known, nothing that has happened"),
    "NO_CLOSED_DAYS": ("尚无结账日：迟到的事实仍可能改变数字", "no day is closed yet: late facts may still change the figures"),
    "DAY_NOT_CLOSED": ("所知截至 {known_at}，该日尚未结账（已结账的知悉日期至 {closed_day}）：迟到的事实仍可能改变数字", "known at {known_at}, a day that is not closed yet (known days are closed until {closed_day}): late facts may still change the figures"),
    "HELD_EVENTS": ("有事件被搁置，尚未计入", "some events are held back and not counted"),
    "NEVER_READ": ("尚未读取任何数据", "nothing was read yet"),
    "PROJECTOR_STOPPED": ("汇总程序未在运行", "the program that counts the events is not running"),
    "CATCHING_UP": ("正在追赶数据", "events are still being counted"),
    "LOG_INCOMPLETE": ("消息日志缺少先前已发布的事件，须重新写入", "the log lacks what was published before and has to be written again"),
    "KAFKA_UNREACHABLE": ("消息日志无法访问", "the log does not answer"),
    "DATABASE_UNREACHABLE": ("数据库无法访问", "the database does not answer"),
}
# fmt: on
UNKNOWN = ("数字仍可能变动", "the figures may still change")
"""What is said of a code that this release does not know."""


def sentences(answer: Mapping[str, Any], language: str) -> Sequence[str]:
    """The reasons of an answer (`as_of`, `known_at` or `known_to`, `closed_day`, `provisional`), a sentence each."""
    days = {
        "as_of": answer.get("as_of"),
        "known_at": answer.get("known_at") or answer.get("known_to"),
        "closed_day": answer.get("closed_day") or "—",
    }
    return [REASONS.get(code, UNKNOWN)[language == "en"].format(**days) for code in answer["provisional"]]
