"""Live streams in Redis: one log a job, one reader a process, cancel flags. PostgreSQL can rebuild all of it."""

from persistence.streams.cancel import CancelFlags
from persistence.streams.hub import Hub, Watch
from persistence.streams.log import (
    OUTAGES,
    Batch,
    Entry,
    Fenced,
    StreamLog,
    StreamWriter,
    connect,
    entry_of,
    moment_of,
    position_of,
)

__all__ = [
    "OUTAGES",
    "Batch",
    "CancelFlags",
    "Entry",
    "Fenced",
    "Hub",
    "StreamLog",
    "StreamWriter",
    "Watch",
    "connect",
    "entry_of",
    "moment_of",
    "position_of",
]
