"""Streams that belong to no job: what happens to a thing, told in the order in which it was committed.

A feed is rows. An event's number is taken from the feed's row, which is locked until the writer commits, so a reader
who has seen a number has seen all below it. A transaction that writes to several feeds writes in the order of their
ids, or two could wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from domain.events import N_BITS, N_MAX, Position, decode_cursor, encode_cursor
from domain.ids import JobId

FEED_DAYS = 30
"""Events are kept for so long. Who comes back later reads the thing itself."""


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """`seq` counts up from 1 without gaps."""

    feed_id: UUID
    seq: int
    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None

    @property
    def cursor(self) -> str:
        return feed_cursor(self.feed_id, self.seq)


def feed_cursor(feed_id: UUID, seq: int) -> str:
    return encode_cursor(JobId(feed_id), Position(seq >> N_BITS, seq & N_MAX))


def feed_position(cursor: str | None, feed_id: UUID) -> int:
    """0 for None: the beginning. Raises Rejected for garbage and for a cursor of another stream."""
    return decode_cursor(cursor, JobId(feed_id)).seq


class FeedStore(Protocol):
    """The feeds room of a unit of work."""

    async def append(self, feed_id: UUID, type_: str, data: Mapping[str, Any]) -> int:
        """Write an event behind all others of the feed, which is made by its first event. Returns its number."""
        ...
