"""Cursors."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http.pages import Cursors
from shared.problems.errors import BadRequest

KEY = b"k" * 32
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=60)


@given(st.lists(plain, max_size=5))
def test_a_cursor_gives_back_its_key(values: list[object]) -> None:
    cursors = Cursors(KEY, "enterprises")
    assert cursors.decode(cursors.encode(values)) == values


def test_values_come_back_in_their_types() -> None:
    cursors = Cursors(KEY)
    key = UUID("0190f1a2-0000-7000-8000-000000000001")
    assert cursors.decode(cursors.encode(["上海", key]), tuple[str, UUID]) == ("上海", key)


@given(st.text(max_size=80))
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Cursors(KEY).decode(text)
    assert refused.value.code == "BAD_CURSOR"


@given(st.data())
def test_a_changed_cursor_is_refused(data: st.DataObject) -> None:
    cursors = Cursors(KEY)
    cursor = cursors.encode(["name", 7])
    place = data.draw(st.integers(0, len(cursor) - 2))
    other = data.draw(st.sampled_from("ABCDEFxyz019-_").filter(lambda letter: letter != cursor[place]))
    with pytest.raises(BadRequest):
        cursors.decode(cursor[:place] + other + cursor[place + 1 :])


@pytest.mark.parametrize("other", [Cursors(b"x" * 32, "enterprises"), Cursors(KEY, "unions")])
def test_a_cursor_of_another_key_or_list_is_refused(other: Cursors) -> None:
    with pytest.raises(BadRequest):
        other.decode(Cursors(KEY, "enterprises").encode(["a"]))


def test_a_cursor_with_other_types_is_refused() -> None:
    cursors = Cursors(KEY)
    with pytest.raises(BadRequest):
        cursors.decode(cursors.encode(["a"]), tuple[int])
