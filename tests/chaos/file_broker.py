"""The memory broker with its log in a file: publications outlive a killed process, and other processes see them."""

from __future__ import annotations

import base64
import fcntl
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.broker.memory import MemoryBroker
from shared.broker.protocol import Message


class FileBroker(MemoryBroker):
    """A MemoryBroker. Every publication and every recreated topic is one line of `file`, written by one system call.

    Lines of other processes are read before each access to a topic and before each publication.
    """

    def __init__(self, file: Path, topics: Iterable[str], partitions: int, largest: int = 50) -> None:
        super().__init__(largest=largest)
        self._file = file
        self._read = 0
        for topic in topics:
            self._make(topic, partitions, topic)
        self.require()

    def require(self) -> None:
        super().require()
        with self._locked() as file:
            self._catch_up(file)

    def write(self, topic: str, messages: Iterable[Message]) -> dict[int, int]:
        """Append, durably."""
        wanted = list(messages)
        rows = [(message.partition, message.key.decode(), base64.b64encode(message.value).decode()) for message in wanted]
        with self._locked() as file:
            self._catch_up(file)
            self._add(file, [topic, rows])
            return super().write(topic, wanted)

    async def create_topic(self, topic: str, partitions: int) -> None:
        await super().create_topic(topic, partitions)
        with self._locked() as file:
            self._make(topic, partitions, f"{topic}@{self._read}")
            self._add(file, [topic, partitions])

    async def delete_topic(self, topic: str) -> None:
        await super().delete_topic(topic)
        with self._locked() as file:
            self._add(file, [topic, None])

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        with self._file.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _add(self, file: BinaryIO, what: object) -> None:
        self._read += file.write(json.dumps(what).encode() + b"\n")

    def _catch_up(self, file: BinaryIO) -> None:
        file.seek(self._read)
        for line in file.readlines():
            topic, what = json.loads(line)
            if what is None:
                self.logs.pop(topic, None)
            elif isinstance(what, int):
                self._make(topic, what, f"{topic}@{self._read}")
            else:
                super().write(topic, [Message(partition, key.encode(), base64.b64decode(value)) for partition, key, value in what])
            self._read += len(line)

    def _make(self, topic: str, partitions: int, called: str) -> None:
        self.create(topic, partitions)
        self.logs[topic].id = called
