"""PostgreSQL, as every process uses it: `from shared.process import db`."""

from shared.process.db.arrays import array, bytes_array, json_array, text_array
from shared.process.db.copying import COPY_HEADER, COPY_TRAILER, PIECE, copy_parts
from shared.process.db.sessions import (
    BY_KEY,
    COMMAND_TIMEOUT,
    CONNECT_TIMEOUT,
    OUTAGES,
    SESSION_SETTINGS,
    Connection,
    Pool,
    Record,
    UnsafeSessionError,
    assert_safe,
    connect,
    create_pool,
)
from shared.process.db.transactions import AreaSetting, OutcomeUnknownError, RolledBackError, run_command, transaction

__all__ = [
    "BY_KEY",
    "COMMAND_TIMEOUT",
    "CONNECT_TIMEOUT",
    "COPY_HEADER",
    "COPY_TRAILER",
    "OUTAGES",
    "PIECE",
    "SESSION_SETTINGS",
    "AreaSetting",
    "Connection",
    "OutcomeUnknownError",
    "Pool",
    "Record",
    "RolledBackError",
    "UnsafeSessionError",
    "array",
    "assert_safe",
    "bytes_array",
    "connect",
    "copy_parts",
    "create_pool",
    "json_array",
    "run_command",
    "text_array",
    "transaction",
]
