"""What is wrong with the codes of a command is said at once: no field hides another."""

from __future__ import annotations

import pytest

from services.registry.facts import TABLE
from shared.problems.errors import Unprocessable
from shared.writing import carry_out


def test_all_codes_of_a_command_are_checked() -> None:
    lists = {name: codes for command in TABLE.ops.values() for name, codes in command.lists.items()}
    assert len(lists) > 1
    with pytest.raises(Unprocessable) as refused:
        carry_out._require_listed(type("Command", (), dict.fromkeys(lists, "none of them")), lists)
    assert {error.field for error in refused.value.errors} == set(lists)
