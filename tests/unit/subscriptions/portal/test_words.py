"""The portal speaks to people: every type, state, error and reason has words in both languages, and no code of a program is among them."""

from __future__ import annotations

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.subscriptions.delivering import disabling, probes
from services.subscriptions.egress import sending
from services.subscriptions.matching.catalogue import defaults
from services.subscriptions.matching.outgoing import OWN_TYPES
from services.subscriptions.portal.store import STATES
from services.subscriptions.portal.words import OWN, Words
from services.subscriptions.receiving import showing
from services.subscriptions.subscribing import rules
from shared.browser.words import FRAME, LANGUAGES, Language, catalogue
from shared.contracts import streams

ROOM = Path(__file__).parents[4] / "services" / "subscriptions"
RAW = re.compile(r"\b[A-Z]{2,}\d*(?:_[A-Z0-9]+)+\b")
A_KEY = re.compile(r'\bt\("([a-z0-9_.]+)"[,)]')
URL_CODES = re.compile(r'(?:UrlError\(|return )"([A-Z_]+)"')
SENDING = (sending.TIMED_OUT, sending.TLS_FAILED, sending.NOT_CONNECTED, sending.CONNECTION_LOST, sending.BAD_ANSWER)
WITHHOLDING = (showing.ERASED, showing.NOT_GRANTED, "RETENTION", "ENDED")
STATUS_ERRORS = tuple(f"STATUS_{status}" for status in (204, 301, 302, 400, 401, 403, 404, 410, 413, 429, 500, 503, 599))


def words(language: Language) -> Words:
    return Words(language, ZoneInfo("Asia/Shanghai"))


def codes() -> set[str]:
    """Every code with which an attempt, a probe or a number can fail."""
    urls = set(URL_CODES.findall((ROOM / "egress" / "urls.py").read_text("utf-8")))
    assert urls >= {"UNRESOLVABLE_HOST", "ADDRESS_NOT_ALLOWED", "URL_NOT_HTTPS"}
    return {*SENDING, *WITHHOLDING, probes.WRONG_ANSWER, probes.NOT_VERIFIED, *urls}


def test_both_languages_have_the_same_keys_with_the_same_placeholders() -> None:
    zh, en = (catalogue(language, FRAME, OWN) for language in LANGUAGES)
    assert zh.keys() == en.keys()
    placeholders = re.compile(r"\{(\w*)\}")
    different = [key for key in zh if {*placeholders.findall(zh[key][0])} != {*placeholders.findall(en[key][0])}]
    assert not different


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_says_what_happened_and_what_to_do(language: Language) -> None:
    said = words(language)
    other = said.error("no such code")
    for code in (*codes(), *STATUS_ERRORS):
        assert said.error(code) != other, code
        assert said.advice(code) != said.advice("no such code"), code
        assert said.error(code) != said.advice(code)
    assert "418" in said.error("STATUS_418")
    assert said.error("STATUS_x") == other


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_has_a_code_has_words(language: Language) -> None:
    keys = words(language).texts.keys()
    wanted = {f"status.{status}" for status in rules.STATUSES} | {f"do.note.{status}" for status in rules.STATUSES}
    wanted |= {f"state.{state}" for state in STATES} | {f"reason.{code}" for code in (disabling.GONE, disabling.FAILING)}
    wanted |= {f"notice.{disabling.DISABLED}"} | {
        f"type.{name}" for name in (*defaults(), *OWN_TYPES, *streams.TYPES) if "day-closed" not in name
    }
    wanted |= {f"standing.{one}" for one in ("in_force", "ahead", "over", "revoked")} | {f"signature.{one}" for one in ("v1", "v1a")}
    wanted |= {f"do.{one}" for one in ("test", "pause", "resume", "verification", "rotation", "redelivery")}
    for template in (ROOM / "portal" / "templates").glob("*.html"):
        wanted |= {*A_KEY.findall(template.read_text("utf-8"))}
    assert not wanted - keys
    assert not [text for texts in words(language).texts.values() for text in texts if RAW.search(text)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_left_over(language: Language) -> None:
    """A text that no template and no module names is dead; families of keys are named by their beginning."""
    sources = [
        *(ROOM / "portal").rglob("*.html"),
        *(ROOM / "portal").rglob("*.py"),
        *FRAME.parent.rglob("*.html"),
        *FRAME.parent.rglob("*.py"),
    ]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    families = {*re.findall(r'"([a-z_.]+\.)" ~', text), *re.findall(r'f"([a-z_.]+\.)\{', text), "error.", "advice.", "form."}
    left = [key for key in catalogue(language, OWN) if f'"{key}"' not in text and not key.startswith(tuple(families))]
    assert not left
