"""What a stream carries: events of one job, in one log, in one order.

An event's place is (attempt, n). `seq` packs both into one integer that only grows, over attempts and over events
that were made up from the database after the log had expired. Clients compare it and never count gaps. A cursor
names the stream as well, so that one of another stream is refused and not misread.
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from domain.errors import ErrorCode, Rejected
from domain.ids import JobId
from domain.jobs import JobState

N_BITS = 20
N_MAX = 2**N_BITS - 1
SNAPSHOT_N = N_MAX - 1
TERMINAL_N = N_MAX


class EventType(StrEnum):
    STARTED = "STARTED"
    CONTEXT = "CONTEXT"
    DELTA = "DELTA"
    REASONING = "REASONING"
    PROGRESS = "PROGRESS"
    SWITCHED = "SWITCHED"
    RESET = "RESET"
    SNAPSHOT = "SNAPSHOT"
    METER = "METER"
    CITATION = "CITATION"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TRUNCATED = "TRUNCATED"
    JOB_SUCCEEDED = "JOB_SUCCEEDED"
    JOB_FAILED = "JOB_FAILED"
    JOB_CANCELLED = "JOB_CANCELLED"
    REVOKED = "REVOKED"


JOB_ENDS: dict[JobState, EventType] = {
    JobState.SUCCEEDED: EventType.JOB_SUCCEEDED,
    JobState.FAILED: EventType.JOB_FAILED,
    JobState.CANCELLED: EventType.JOB_CANCELLED,
}
"""How the stream of a job ends that is no generation. One of a generation ends as its state says."""
TERMINAL = frozenset(
    {EventType.COMPLETED, EventType.FAILED, EventType.CANCELLED, EventType.TRUNCATED, *JOB_ENDS.values()}
)


class Position(NamedTuple):
    """Where an event stands. Tuples compare as the stream does."""

    attempt: int
    n: int

    @property
    def seq(self) -> int:
        return self.attempt << N_BITS | self.n


START = Position(0, 0)


@dataclass(frozen=True, slots=True)
class Event:
    job_id: JobId
    position: Position
    type: EventType
    data: dict[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def seq(self) -> int:
        return self.position.seq

    @property
    def cursor(self) -> str:
        return encode_cursor(self.job_id, self.position)

    @property
    def terminal(self) -> bool:
        return self.type in TERMINAL


def closing(
    job_id: JobId, attempt: int, end: EventType, data: dict[str, Any], *, text: str, at: datetime
) -> list[Event]:
    """What was kept of the text, and the end, where no worker is left to tell them.

    They stand above all that a worker may still write, should it have been asleep.
    """
    events = [Event(job_id, Position(attempt, TERMINAL_N), end, data, at)]
    if text:
        snapshot = {"attempt": attempt, "text": text}
        events.insert(0, Event(job_id, Position(attempt, SNAPSHOT_N), EventType.SNAPSHOT, snapshot, at))
    return events


_CURSOR = struct.Struct(">16sII")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def encode_cursor(job_id: JobId, position: Position) -> str:
    return packed_cursor(job_id.bytes, *position).decode()


def packed_cursor(owner: bytes, attempt: int, n: int) -> bytes:
    """A cursor from the bytes of its job's id."""
    return binascii.b2a_base64(_CURSOR.pack(owner, attempt, n), newline=False).translate(_URL_SAFE)


def decode_cursor(cursor: str | None, job_id: JobId) -> Position:
    """None is the beginning. Raises Rejected for garbage and for a cursor of another stream."""
    if cursor is None:
        return START
    try:
        owner, attempt, n = _CURSOR.unpack(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, struct.error):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "This is not a cursor of this API.", "after") from None
    if UUID(bytes=owner) != job_id:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "This cursor belongs to another stream.", "after")
    return Position(attempt, min(n, N_MAX))
