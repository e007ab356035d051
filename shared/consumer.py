"""The door to reading: services import from here, the rooms behind it are `shared.reading`."""

from __future__ import annotations

from shared.broker import PartitionsDiffer
from shared.reading.lag import Lag, consumed_until, held, lag, what_is_held
from shared.reading.reader import Reader
from shared.reading.reasons import DomainError
from shared.reading.records import ShardBatch

__all__ = ["DomainError", "Lag", "PartitionsDiffer", "Reader", "ShardBatch", "consumed_until", "held", "lag", "what_is_held"]
