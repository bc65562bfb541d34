"""Streams that survive their connections, and what a watcher of one generation knows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from . import events as e
from .errors import ConnectionLost

RETRIES_MAX: Final = 12
"""Connections in a row that bring nothing: about a minute."""
WAIT_S_MIN: Final = 0.25
WAIT_S_MAX: Final = 8.0


class Event(Protocol):
    @property
    def typename__(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def cursor(self) -> str: ...


E = TypeVar("E", bound=Event)
Open = Callable[[str | None], AsyncGenerator[dict[str, Any], None]]
"""A new connection to the stream, behind this cursor."""


async def resumed(open_: Open, read: Callable[[dict[str, Any]], E], after: str | None) -> AsyncGenerator[E, None]:
    """Each event once, in order, to the terminal one, over any number of connections.

    `seq` only grows, over attempts and connections alike, so an event at or below the last is a repeat. StreamRevoked
    is no part of the stream: it repeats the place of the last event. A stream that completes without a terminal event (a
    server that shuts down) is opened again. Raises ConnectionLost after RETRIES_MAX connections that brought nothing.
    """
    last, retries = 0, 0
    while True:
        lost = ConnectionLost("the stream completed without its terminal event")
        try:
            async with aclosing(open_(after)) as results:
                async for data in results:
                    event = read(data)
                    if event.seq <= last and event.typename__ != "StreamRevoked":
                        continue
                    last, after, retries = event.seq, event.cursor, 0
                    yield event
                    if event.typename__ in e.TERMINALS:
                        return
        except ConnectionLost as error:
            if not _is_worth_another_try(error):
                raise
            lost = error
        retries += 1
        if retries > RETRIES_MAX:
            raise lost
        await asyncio.sleep(min(WAIT_S_MIN * 2 ** (retries - 1), WAIT_S_MAX) * random.uniform(0.5, 1))


def _is_worth_another_try(error: ConnectionLost) -> bool:
    """Codes from 4400 say that this client is at fault, but for an initialisation that came too late (4408)."""
    return error.close_code is None or error.close_code < 4400 or error.close_code == 4408


@dataclass(frozen=True)
class StreamState:
    """What the events of one generation amount to so far; `reduce_stream` makes the next."""

    text: str = ""
    seq: int = 0
    cursor: str | None = None
    """Where to resume: give it as `after`."""
    attempt: int = 0
    channel: str | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    progress: int | None = None
    """0 to 100."""
    note: str | None = None
    meter: e.MeterTick | None = None
    resets: int = 0
    """How often the text was cleared because a new attempt began."""
    terminal: e.Terminal | None = None


def reduce_stream(state: StreamState, event: e.GenerationEvent) -> StreamState:
    """Repeats, and what comes after the end, change nothing; types that are not known only move the place."""
    if state.terminal or (event.seq <= state.seq and not isinstance(event, e.StreamRevoked)):
        return state
    return replace(_changed(state, event), seq=event.seq, cursor=event.cursor)


def _changed(state: StreamState, event: e.GenerationEvent) -> StreamState:
    match event:
        case e.TextDelta():
            return replace(state, text=state.text + event.text)
        case e.GenerationStarted():
            return replace(state, attempt=event.attempt, channel=event.channel, model=event.model)
        case e.ContextReceiptReady():
            return replace(state, prompt_tokens=event.prompt_tokens)
        case e.JobProgress():
            return replace(state, progress=event.progress, note=event.note)
        case e.AttemptSwitched():
            return replace(state, attempt=event.attempt, channel=event.channel, note=event.reason)
        case e.StreamReset():
            return replace(state, attempt=event.attempt, text="", resets=state.resets + 1, note=event.reason)
        case e.StreamSnapshot():
            return replace(state, attempt=event.attempt, text=event.text)
        case e.MeterTick():
            return replace(state, meter=event)
        case e.GenerationCompleted() | e.GenerationCancelled() | e.GenerationTruncated():
            # The stored version wins over what was streamed: it is what the author will accept.
            return replace(state, terminal=event, text=event.version.text if event.version else state.text)
        case e.GenerationFailed() | e.StreamRevoked():
            return replace(state, terminal=event)
        case _:
            return state
