"""The codes of reasons in words."""

from __future__ import annotations

import msgspec
import pytest

from services.metrics.figures.labels import REASONS, reason_text
from shared.contracts import TYPES

GIVING = {name: contract for name, contract in TYPES.items() if "reason" in {field.name for field in msgspec.structs.fields(contract)}}


@pytest.mark.parametrize("type_name", GIVING)
def test_every_event_that_gives_a_reason_has_a_list_and_every_code_a_name_in_both_languages(type_name: str) -> None:
    listed = REASONS[GIVING[type_name]]
    for code in (*listed.listed, *listed.own):
        named = listed.label(code)
        assert (reason_text(type_name, code, "zh"), reason_text(type_name, code, "en")) == (named.zh, named.en)
        assert code not in (named.zh, "")


def test_a_code_of_an_earlier_release_is_its_own_name_and_none_is_none() -> None:
    assert reason_text("parkunion.member-left.v1", "moved_abroad_9", "zh") == "moved_abroad_9"
    assert reason_text("parkunion.member-left.v1", None, "zh") is None
