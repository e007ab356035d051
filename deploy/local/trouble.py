"""What the commands say when something is wrong: one line in both languages, with the remedy, and an exit code."""

from __future__ import annotations


class Trouble(Exception):
    """Something the user can do something about."""

    code = 1

    def __init__(self, zh: str, en: str, code: int | None = None) -> None:
        super().__init__(f"{zh} / {en}")
        if code is not None:
            self.code = code

    def line(self) -> str:
        return " ".join(str(self).split())


class NotRunning(Trouble):
    """No stack runs in the folder."""

    code = 3

    def __init__(self, data: object) -> None:
        super().__init__(
            f"{data} 中没有运行的平台;请先执行 ./parkunion up 或 make demo",
            f"no stack runs in {data}; start one with ./parkunion up or make demo",
        )
