"""What the dashboard adds to the frame of its pages (`shared.browser`): its words, the age of the data, and the caller's areas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fastapi import Request

from services.metrics.dashboard.address import ViewOptions
from services.metrics.dashboard.words import NONE, Words
from services.metrics.figures.freshness import Freshness, StaleReason
from services.metrics.http.access import READ
from shared.browser import page
from shared.browser.page import HEADERS, PageRoute, render
from shared.browser.site import Site
from shared.http.auth import Caller

__all__ = ["HEADERS", "SITE", "DataAge", "PageRoute", "age_of", "render", "words_of"]

READING = "READING"
"""The text of CATCHING_UP while it is not known how many events are missing."""
MOST_NAMED = 3
"""Areas that the head of a page names."""


def words_of(request: Request) -> Words:
    """The words of a page in its language (`shared.browser.page.words_of`)."""
    return cast(Words, page.words_of(request))


@dataclass(frozen=True, slots=True)
class DataAge:
    """The age of the data as text. `old`: it is stale; `reason` is the code of why."""

    text: str
    old: bool
    seconds: float
    reason: str = ""


def age_of(freshness: Freshness | None, words: Words) -> DataAge:
    """The age that the head of the page shows."""
    if freshness is None:
        return DataAge(words.t("age.unknown"), old=True, seconds=0, reason="UNKNOWN")
    if freshness.reason is None:
        return DataAge(words.ago(freshness.age), old=False, seconds=freshness.age)
    key = freshness.reason.value
    if freshness.reason is StaleReason.CATCHING_UP and not freshness.lag_events:
        key = READING
    since = words.moment(freshness.since) if freshness.since else "—"
    text = words.t(f"age.{key}", since=since, events=words.number(freshness.lag_events))
    if freshness.since:
        text += f" · {words.ago(freshness.age)}"
    return DataAge(text, old=True, seconds=freshness.age, reason=freshness.reason)


def _age_texts(words: Words) -> dict[str, str]:
    """The texts of the age for dashboard.js, with placeholders."""
    reasons = {reason: words.t(f"age.{reason}", since="{since}", events="{events}") for reason in (*StaleReason, READING)}
    return (
        reasons
        | {key: words.t(key, number="{number}") for key in ("ago.seconds", "ago.minutes", "ago.hours", "ago.days")}
        | {key: words.t(key) for key in ("ended.TOO_MANY_STREAMS", "ended.AREA_NOT_GRANTED")}
    )


def _values(request: Request, words: Words) -> Mapping[str, Any]:
    hub = getattr(request.app.state, "hub", None)
    return {"view": ViewOptions(), "reasons": _age_texts(words), "age": age_of(hub.freshness if hub else None, words)}


def _areas(request: Request, caller: Caller, words: Words) -> str:
    hub = getattr(request.app.state, "hub", None)
    codes = sorted(caller.areas.codes)
    names = (
        [words.t("everything")] if caller.areas.everything else [hub.areas.latest().display_name(code) if hub else code for code in codes]
    )
    shown = words.t("who.and").join(names[:MOST_NAMED]) or NONE
    if len(names) > MOST_NAMED:
        shown = words.t("who.more", names=shown, number=words.number(len(names) - MOST_NAMED))
    return words.t("who.areas", areas=shown)


SITE = Site(
    folder=Path(__file__).parent,
    words=Words,
    cookies="parkunion",
    scopes=(READ,),
    styles=("dashboard.css",),
    scripts=("dashboard.js",),
    values=_values,
    standing=_areas,
)
"""The dashboard's pages."""
