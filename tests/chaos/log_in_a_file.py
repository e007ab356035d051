"""The memory broker with its log in a file, so that what was published outlives the process that is killed."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from pathlib import Path

from shared.broker import Message
from shared.memory_broker import MemoryBroker


class FileBroker(MemoryBroker):
    """As MemoryBroker; every publication is one line of `file`, written by one call to the kernel, and read at the start."""

    def __init__(self, file: Path, topics: Iterable[str], partitions: int, largest: int = 50) -> None:
        super().__init__(largest=largest)
        self._file: Path | None = None
        for topic in topics:
            self.create(topic, partitions)
            self.logs[topic].id = topic
        if file.exists():
            for line in file.read_bytes().splitlines():
                topic, messages = json.loads(line)
                self.write(topic, [Message(partition, key.encode(), base64.b64decode(value)) for partition, key, value in messages])
        self._file = file

    def write(self, topic: str, messages: Iterable[Message]) -> dict[int, int]:
        """Append, durably."""
        wanted = list(messages)
        if self._file is not None:
            rows = [(message.partition, message.key.decode(), base64.b64encode(message.value).decode()) for message in wanted]
            file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, json.dumps([topic, rows]).encode() + b"\n")
            finally:
                os.close(file)
        return super().write(topic, wanted)
