"""The only writer of a generation's stream: events in order, text joined for a moment, except the first."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping

from domain.conversations.answers import citation_data, mark_reader
from domain.events import EventType
from domain.generation.entities import Generation
from domain.jobs import Lease
from persistence import streams
from persistence.streams import StreamLog, StreamWriter

FLUSH_S = 0.04
FLUSH_CHARS = 256
RETRY_S = 0.2
TERMINAL_PATIENCE_S = 5.0

logger = logging.getLogger(__name__)


class Narrator:
    """What is said and told waits here until `run`, in a task of its own, has written it."""

    def __init__(self, log: StreamLog, lease: Lease, generation: Generation | None = None) -> None:
        self._log = log
        self._generation = generation
        self._news = asyncio.Event()
        self._much = asyncio.Event()
        self.begin(lease)

    def begin(self, lease: Lease) -> None:
        """A new attempt: what was not written of the one before is dropped."""
        self._job_id = lease.job_id
        self._writer = StreamWriter(self._log, lease.job_id, lease.attempt)
        self._outgoing: list[tuple[EventType, dict[str, object], str]] = []
        self._unwritten = ""
        self._marks = mark_reader(self._generation)

    def say(self, type_: EventType, data: dict[str, object]) -> None:
        """An event of no text. It stands behind all that was told before it."""
        self._join()
        self._outgoing.append((type_, data, ""))
        self._news.set()

    def tell(self, text: str) -> None:
        """More of the text, and what it cites as soon as its mark is whole."""
        self._unwritten += text
        for one in self._marks.feed(text):
            self.say(EventType.CITATION, citation_data(one))
        self._news.set()
        if len(self._unwritten) >= FLUSH_CHARS:
            self._much.set()

    def _join(self) -> None:
        if self._unwritten:
            self._outgoing.append((EventType.DELTA, {"text": self._unwritten}, self._unwritten))
            self._unwritten = ""

    async def run(self) -> None:
        """Write for ever. Raises Fenced once another worker writes the stream."""
        while True:
            try:
                wrote_text = await self._flush()
            except streams.OUTAGES as error:
                logger.warning("job %s: the stream cannot be written: %s", self._job_id, error)
                await asyncio.sleep(RETRY_S)
                continue
            if wrote_text:
                self._much.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_S):
                        await self._much.wait()
            await self._news.wait()

    async def _flush(self) -> bool:
        """Write all that waits, one event after the other; whether there was text in it.

        A failed write may have gone through: it is repeated word for word, and what came meanwhile follows it.
        """
        wrote_text = False
        self._news.clear()
        while True:
            writer, outgoing = self._writer, self._outgoing
            if not outgoing:
                self._join()
                if not outgoing:
                    return wrote_text
            type_, data, text = outgoing[0]
            await writer.write(type_, data, text=text)
            outgoing.pop(0)
            wrote_text = wrote_text or bool(text)

    async def end(self, type_: EventType, data: Mapping[str, object]) -> None:
        """The last event, once `run` has been stopped. Best effort: whoever misses it asks PostgreSQL."""
        patience = time.monotonic() + TERMINAL_PATIENCE_S
        while time.monotonic() < patience:
            try:
                await self._flush()
                await self._writer.end(type_, dict(data))
            except streams.OUTAGES:
                await asyncio.sleep(RETRY_S)
            else:
                return
