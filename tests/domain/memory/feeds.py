"""The feeds room, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from domain.feeds import FeedEvent


class MemoryFeeds:
    """Implements `domain.feeds.FeedStore`."""

    def __init__(self) -> None:
        self.events: list[FeedEvent] = []

    async def append(self, feed_id: UUID, type_: str, data: Mapping[str, Any]) -> int:
        seq = 1 + sum(1 for event in self.events if event.feed_id == feed_id)
        self.events.append(FeedEvent(feed_id, seq, type_, dict(data)))
        return seq
