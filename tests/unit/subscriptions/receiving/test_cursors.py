from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.subscriptions.receiving.cursors import LIST, EventCursors, manifest_path, removed, unknown_cursor
from shared.contracts.ids import uuid7
from shared.http.pages import Cursors

KEY = bytes(range(16))
CURSORS = EventCursors(KEY)


@given(st.uuids(), st.integers(0, 2**62))
def test_a_cursor_is_read_as_it_was_written(subscription: UUID, number: int) -> None:
    assert CURSORS.decode(subscription, CURSORS.encode(subscription, number)) == number


def test_a_cursor_of_another_subscription_is_none() -> None:
    mine, other = uuid7(), uuid7()
    assert CURSORS.decode(mine, CURSORS.encode(other, 7)) is None


def test_a_cursor_of_another_key_or_list_is_none() -> None:
    mine = uuid7()
    assert CURSORS.decode(mine, EventCursors(bytes(16)).encode(mine, 7)) is None
    assert CURSORS.decode(mine, Cursors(KEY, "subscriptions").encode([mine.hex, 7])) is None
    assert CURSORS.decode(mine, Cursors(KEY, LIST).encode([mine.hex, 7])) == 7


@given(st.data())
def test_no_changed_cursor_is_taken(data: st.DataObject) -> None:
    mine = uuid7()
    cursor = CURSORS.encode(mine, 41)
    # The last character holds bits that belong to no byte.
    place = data.draw(st.integers(0, len(cursor) - 2))
    letter = data.draw(st.sampled_from("ABCxyz019-_").filter(lambda one: one != cursor[place]))
    assert CURSORS.decode(mine, cursor[:place] + letter + cursor[place + 1 :]) is None


@pytest.mark.parametrize("text", ["", "=", "nonsense", "é", "A" * 3000, "-1", "42"])
def test_what_is_no_cursor_is_none(text: str) -> None:
    assert CURSORS.decode(uuid7(), text) is None


def test_the_problems_say_how_to_go_on() -> None:
    mine = uuid7()
    unknown = unknown_cursor("after", "CURSOR").as_dict("en")
    assert (unknown["status"], unknown["resume"]) == (410, "CURSOR")
    gone = removed("after", 7, manifest_path(mine, date(2026, 7, 1)), "CURSOR").as_dict("en")
    assert (gone["status"], gone["resume"], gone["manifest"]) == (410, "CURSOR", f"/v1/subscriptions/{mine}/manifests/2026-07-01")
    for text in (gone["errors"][0]["message_en"], gone["errors"][0]["message_zh"]):
        assert gone["manifest"] in text
        assert " 7 " in text
