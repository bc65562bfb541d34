"""The source stream of a subscription."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from domain.events import Event
from resolvers.event_source.follow import Follow
from schema.events import to_graphql


class Feed(AsyncIterator[Any]):
    """Events in batches for the stream encoder, or one GraphQL object after the other for graphql-core.

    `forget` makes the operation's reads see the present: what an event leads to is read when it comes.
    """

    def __init__(self, follow: Follow, forget: Callable[[], None]) -> None:
        self._follow = follow
        self._forget = forget
        self.take = follow.take  # not through a method: this is called fifty thousand times a second
        self._left: deque[Event] = deque()

    def value(self, event: Event) -> Any:
        """What graphql-core executes the operation on for an event."""
        self._forget()
        return to_graphql(event)

    async def __anext__(self) -> Any:
        while not self._left:
            batch = await self.take()
            if not batch.entries:
                raise StopAsyncIteration
            self._left.extend(batch.events())
        return self.value(self._left.popleft())

    async def aclose(self) -> None:
        self._follow.close()
