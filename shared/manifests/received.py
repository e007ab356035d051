"""The events that a receiver has stored: a folder of JSON files or a file of one event a line, each as it arrived."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

SUFFIXES = (".json", ".ndjson", ".jsonl")
"""Endings of files that hold JSON for certain."""


class Unreadable(ValueError):
    """A file holds something else than events; the text says where, in Chinese and in English."""

    def __init__(self, where: str) -> None:
        self.zh, self.en = f"{where} 不是 JSON 格式的事件", f"{where} is no event in JSON"
        super().__init__(f"{self.zh} / {self.en}")


def events_in(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a folder with all below it, or of one file, in no certain order. Other JSON objects than events are passed over.

    A file holds one event, a list of events, or one event a line; an answer of the pull interface (`items`) counts as its events.
    Raises Unreadable for what is no JSON, but in a folder only if the file's name says that it is; and OSError.
    """
    if not path.is_dir():
        yield from _events(path)
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.name.startswith("."):
            try:
                yield from _events(file)
            except Unreadable:
                if file.suffix in SUFFIXES:
                    raise


def _events(file: Path) -> list[dict[str, Any]]:
    raw = file.read_bytes()
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = [_event(line, f"{file}:{number}") for number, line in enumerate(raw.splitlines(), 1) if line.strip()]
    if isinstance(found, dict):
        found = found["items"] if "specversion" not in found and isinstance(found.get("items"), list) else [found]
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Unreadable(str(file))
    return [one for one in found if "specversion" in one]


def _event(line: bytes, where: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(where) from error
    if not isinstance(found, dict):
        raise Unreadable(where)
    return found
