"""The preparation of databases and topics says in one line what refused; other errors are raised with their traceback."""

from __future__ import annotations

import json

import pytest

from deploy.local.child import StartError
from deploy.local.supervising import prepare

EXPECTED, UNEXPECTED = StartError("no answer"), ValueError("a fault of ours")


def main_after(errors: list[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(*_: object) -> None:
        raise ExceptionGroup("unhandled errors in a TaskGroup", errors)

    monkeypatch.setenv("PARKUNION_PREPARE", json.dumps({"migrations": {}, "kafka": ""}))
    monkeypatch.setattr(prepare, "prepare", failing)
    prepare.main()


def test_a_server_that_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        main_after([EXPECTED, OSError("refused")], monkeypatch)
    assert ended.value.code == "StartError: no answer | OSError: refused"


def test_another_error_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        main_after([EXPECTED, UNEXPECTED], monkeypatch)
    assert UNEXPECTED in raised.value.exceptions
