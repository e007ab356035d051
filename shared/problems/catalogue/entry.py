"""What the catalogue says of a code."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One code: its usual HTTP status (201: a warning), the problem's title, the message of one error, and its other statuses."""

    status: int
    title_zh: str
    title_en: str
    message_zh: str
    message_en: str
    also: tuple[int, ...] = ()
    """Statuses where it is said of another thing: 404 where the address names what is unknown, 409 where another fact forbids it."""


UNKNOWN_CODE = Entry(500, "未知错误", "Unknown error", "发生未知错误。", "An unknown error occurred.")
