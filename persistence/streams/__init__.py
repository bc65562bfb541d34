"""Live streams in Redis: one log a job, one reader a process, cancel flags. PostgreSQL can rebuild all of it."""

from persistence.streams.cancel import CancelFlags
from persistence.streams.hub import Hub, Watch
from persistence.streams.log import OUTAGES, Fenced, StreamLog, StreamWriter, connect

__all__ = ["OUTAGES", "CancelFlags", "Fenced", "Hub", "StreamLog", "StreamWriter", "Watch", "connect"]
