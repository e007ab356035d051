"""Refusals as RFC 9457 problems: one exception class per status, one code of the catalogue per error. Raised by rules and routes.

Parameters fill the messages' placeholders and are sent to the caller: never put personal data in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from typing import Any

from shared.problems.catalogue import CODES, UNKNOWN_CODE, Entry

MEDIA_TYPE = "application/problem+json"
LONGEST_PARAM = 120
LONGEST_LIST = 2000
"""Characters of a value in a message; of a list of choices, which no caller can make longer."""
RETRY_AFTER = {
    **dict.fromkeys(("NOT_YET_KNOWN", "UNAVAILABLE", "OUTCOME_UNKNOWN", "TOO_MANY_REQUESTS", "TOO_MANY_CONNECTIONS"), "1"),
    "CLOCK_AHEAD": "5",
}
"""Seconds after which the same request may succeed."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning beside a success whose message has parameters; one without is its code alone."""

    code: str
    params: dict[str, str]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error. `field` = the dotted path in the body, or the parameter's name; `row` = the line of a file or batch, from 1."""

    code: str
    field: str | None = None
    row: int | None = None
    params: Mapping[str, Any] = attribute(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """An item of a problem's `errors`."""
        zh, en = messages(self.code, self.params)
        return {"row": self.row, "field": self.field, "code": self.code, "message_zh": zh, "message_en": en}


class Problem(Exception):
    """A refused request. Raise the class of its status: `raise Unprocessable("UNKNOWN_PARK", field="park", params={"park": code})`.

    For several errors pass `errors`; the first one's code is then the problem's. `members`: more members of the problem (RFC 9457 §3.2).
    """

    status: int = 500

    def __init__(
        self,
        code: str = "",
        *,
        field: str | None = None,
        row: int | None = None,
        params: Mapping[str, Any] | None = None,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        self.errors = list(errors) or [FieldError(code, field, row, params or {})]
        self.code = code or self.errors[0].code
        super().__init__(self.code)
        self.headers = dict(headers or {})
        self.members = dict(members or {})
        if self.code in RETRY_AFTER:
            self.headers.setdefault("Retry-After", RETRY_AFTER[self.code])

    def __str__(self) -> str:
        fields = ", ".join(sorted({error.field for error in self.errors if error.field}))
        return f"{self.code} ({fields})" if fields else self.code

    def at_row(self, row: int) -> Problem:
        """The same problem for one row of a file or batch."""
        other = type(self)(self.code, errors=[replace(error, row=row) for error in self.errors], headers=self.headers, members=self.members)
        other.status = self.status
        return other

    def as_dict(self, language: str = "zh") -> dict[str, Any]:
        """The problem's JSON; `language` (zh or en) is the title's."""
        entry = entry_of(self.code)
        return {
            "type": f"/problems/{self.code}",
            "title": entry.title_en if language == "en" else entry.title_zh,
            "status": self.status,
            "code": self.code,
            "errors": [error.as_dict() for error in self.errors],
            **self.members,
        }


IN_CHINESE = {
    "today": "今天",
    "enterprise": "企业",
    "union": "工会",
    "area": "区域",
    "member": "会员",
    "here": "本企业",
    "elsewhere": "其他企业",
}
"""Words that stand for values in messages."""


class BadRequest(Problem):
    """The request cannot be parsed."""

    status = 400


class Unauthorised(Problem):
    """No valid token."""

    status = 401


class Forbidden(Problem):
    """The token does not grant this."""

    status = 403


class NotFound(Problem):
    """There is no such resource."""

    status = 404


class Conflict(Problem):
    """The request is valid but conflicts with the current state."""

    status = 409


class Gone(Problem):
    """What was there is no longer kept."""

    status = 410


class TooLarge(Problem):
    """The request exceeds a size limit."""

    status = 413


class UnsupportedMediaType(Problem):
    """The Content-Type is not supported."""

    status = 415


class MisdirectedRequest(Problem):
    """The request is for another host."""

    status = 421


class Unprocessable(Problem):
    """The request can be parsed, but its content is wrong."""

    status = 422


class TooManyRequests(Problem):
    """The client exceeds its rate limit."""

    status = 429


class Unavailable(Problem):
    """The service cannot answer now; the same request may succeed later."""

    status = 503


AREAS = {"*": ("全部区域(*)", "every area (*)"), "?": ("所指对象所在的区域", "the area in which the named resource lies")}
"""{area of a refusal that is no code: in Chinese and in English}"""


class _Params(dict[str, str]):
    """Fills placeholders without a value with nothing, so that a message never fails."""

    def __missing__(self, key: str) -> str:
        return ""


def entry_of(code: str) -> Entry:
    """The catalogue's entry of a code."""
    return CODES.get(code, UNKNOWN_CODE)


def messages(code: str, params: Mapping[str, Any]) -> tuple[str, str]:
    """The message of a code in Chinese and in English, with its placeholders filled; long values are cut."""
    entry = entry_of(code)
    shown = _Params((name, str(value)[: LONGEST_LIST if name.startswith("expected") else LONGEST_PARAM]) for name, value in params.items())
    chinese = _Params(shown)
    if "expected" in shown:
        chinese["expected"] = shown["expected"].replace(" or ", "、").replace(", ", "、")
    chinese.update((name.removesuffix("_zh"), value) for name, value in shown.items() if name.endswith("_zh"))
    if code == "AREA_NOT_GRANTED":
        shown.setdefault("area", "")
        chinese["area"], shown["area"] = AREAS.get(shown["area"], (f"区域 {shown['area']}", f"the area {shown['area']}"))
    for name in ("latest", "what", "where"):
        if name in shown:
            chinese[name] = IN_CHINESE.get(shown[name], shown[name])
    return entry.message_zh.format_map(chinese), entry.message_en.format_map(shown)


def warnings(notices: Iterable[str | Notice]) -> list[dict[str, str]]:
    """The `warnings` of a 201 response."""
    answer = []
    for notice in notices:
        code, params = (notice, {}) if isinstance(notice, str) else (notice.code, notice.params)
        zh, en = messages(code, params)
        answer.append({"code": code, "message_zh": zh, "message_en": en})
    return answer


STATUSES: Mapping[int, type[Problem]] = {
    kind.status: kind
    for kind in (
        *(BadRequest, Unauthorised, Forbidden, NotFound, Conflict, Gone),
        *(TooLarge, UnsupportedMediaType, MisdirectedRequest, Unprocessable, TooManyRequests, Unavailable),
    )
}
"""{status: class}"""
