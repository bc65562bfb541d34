"""Every operation of the API as a typed method, and streams that resume."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple

from . import events
from .documents import manifest
from .generated.operations import Operations
from .streams import StreamState, reduce_stream, resumed


class Watched(NamedTuple):
    state: StreamState
    """After the event."""
    event: events.GenerationEvent


class Fabula(Operations):
    """A client of one API, with the credentials of one person or program."""

    async def watch_generation(self, id: str, *, state: StreamState | None = None) -> AsyncGenerator[Watched, None]:
        """Each event of a generation to its terminal one, over any number of connections.

        Give the last `state` to go on where another watcher stopped. Raises RequestRefused when it is not yours to see.
        """
        state = state or StreamState()
        async with aclosing(self._generation_events(id, state.cursor)) as found:
            async for event in found:
                state = reduce_stream(state, event)
                yield Watched(state, event)

    async def finished(self, generation_id: str) -> StreamState:
        """Wait for a generation to end: its text and its terminal event."""
        state = StreamState()
        async for watched in self.watch_generation(generation_id):
            state = watched.state
        return state

    def _generation_events(self, id: str, after: str | None) -> AsyncGenerator[events.GenerationEvent, None]:
        def opened(cursor: str | None) -> AsyncGenerator[dict[str, Any], None]:
            return self.execute_ws(text, "GenerationEvents", {"id": id, "after": cursor})

        text = manifest()["GenerationEvents"].text
        return resumed(opened, events.read_generation_event, after)

    def watch_job(self, id: str, *, after: str | None = None) -> AsyncGenerator[events.JobEvent, None]:
        """Each event of any job to its terminal one, over any number of connections."""

        def opened(cursor: str | None) -> AsyncGenerator[dict[str, Any], None]:
            return self.execute_ws(text, "JobEvents", {"id": id, "after": cursor})

        text = manifest()["JobEvents"].text
        return resumed(opened, events.read_job_event, after)
