"""If-Match, as RFC 9110 says it."""

from __future__ import annotations

import pytest

from shared.problems.errors import Unprocessable
from shared.problems.preconditions import PreconditionFailed, expected_by, require_expected


def test_a_header_names_etags_or_anything() -> None:
    assert expected_by(None) is None
    assert expected_by(" * ") is None
    assert expected_by('"7"') == frozenset({'"7"'})
    assert expected_by(' "7", "a,b" ,W/"9"') == frozenset({'"7"', '"a,b"'})


@pytest.mark.parametrize("header", ["7", "", '"7', '"7" "8"', "*, *", 'w/"7"'])
def test_what_is_no_list_of_etags_is_refused(header: str) -> None:
    with pytest.raises(Unprocessable, match="BAD_FORM"):
        expected_by(header)


def test_only_the_strong_etag_named_is_let_through() -> None:
    require_expected(None, None)
    require_expected(frozenset({'"7"', '"8"'}), '"8"')
    for expected in (frozenset({'"7"'}), frozenset[str]()):
        with pytest.raises(PreconditionFailed, match="PRECONDITION_FAILED") as failed:
            require_expected(expected, '"8"')
        assert failed.value.status == 412
