"""The source stream of a subscription."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from domain.events import Event
from persistence.streams import Batch
from resolvers.event_source.follow import Follow
from schema.events import to_graphql


class Feed(AsyncIterator[Any]):
    """Events in batches for the stream encoder, or one GraphQL object after the other for graphql-core.

    `forget` makes the operation's reads see the present: what an event leads to is read when it comes.
    """

    def __init__(self, follow: Follow, forget: Callable[[], None]) -> None:
        self._follow = follow
        self._forget = forget
        self._left: deque[Event] = deque()

    @property
    def shared(self) -> bool:
        """Whether others are handed the same events."""
        return self._follow.shared

    async def take(self) -> Batch:
        """Everything that is new; empty at the end."""
        return await self._follow.take()

    def value(self, event: Event) -> Any:
        """What graphql-core executes the operation on for an event."""
        self._forget()
        return to_graphql(event)

    async def __anext__(self) -> Any:
        while not self._left:
            batch = await self.take()
            if not batch:
                raise StopAsyncIteration
            self._left.extend(batch.events())
        return self.value(self._left.popleft())

    async def aclose(self) -> None:
        self._follow.close()
