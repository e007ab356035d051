"""Errors for the user: one line in both languages with the remedy, and the exit code of the command."""

from __future__ import annotations


class UserError(Exception):
    """An error that the user can correct."""

    code = 1

    def __init__(self, zh: str, en: str, code: int | None = None) -> None:
        super().__init__(f"{zh} / {en}")
        if code is not None:
            self.code = code

    def line(self) -> str:
        return " ".join(str(self).split())


class NotRunningError(UserError):
    """No stack runs in the folder."""

    code = 3

    def __init__(self, data: object) -> None:
        super().__init__(
            f"{data} 中没有运行的平台;请先执行 ./parkunion up 或 make demo",
            f"no stack runs in {data}; start one with ./parkunion up or make demo",
        )
