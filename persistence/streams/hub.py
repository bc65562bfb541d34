"""One reader a process for every stream that its clients watch.

A single paced XREAD serves all of them; what arrives goes into a bounded mailbox a watcher. A watcher that falls
behind loses its mailbox, not its events: it reads again from its own position. Someone who joins late reads the
past from the log and takes the rest from the mailbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from uuid import uuid4

from redis.exceptions import RedisError

from domain.events import Event, Position
from domain.ids import JobId
from persistence.streams.log import ANSWER_S, StreamLog, connect, entry_id, event_of, log_key

TICK_S = 0.005
"""The least time between two reads: everything that arrives within it is taken at once."""
BLOCK_MS = 5_000
READ_COUNT = 256
MAILBOX_MAX = 256
RECONNECT_S = 0.1

logger = logging.getLogger(__name__)


class Watch:
    """One watcher of one stream."""

    def __init__(self, hub: Hub, job_id: JobId, after: Position) -> None:
        self._hub = hub
        self.job_id = job_id
        self.position = after
        self._mail: list[Event] = []
        self._behind = False
        self._arrived = asyncio.Event()

    def deliver(self, events: list[Event]) -> None:
        if len(self._mail) + len(events) > MAILBOX_MAX:
            self._mail.clear()
            self._behind = True
        elif not self._behind:
            self._mail.extend(events)
        self._arrived.set()

    def fall_behind(self) -> None:
        """Make the next `take` read from the log: the hub cannot vouch for the mailbox."""
        self._behind = True
        self._arrived.set()

    async def take(self, timeout_s: float) -> list[Event]:
        """Everything new, in order, without repetition; empty after `timeout_s` of silence.

        Raises RedisError when the log has to be read and cannot be.
        """
        if not self._mail and not self._behind:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
        self._arrived.clear()
        if self._behind:
            self._behind = False
            self._mail.clear()
            try:
                events = await self._hub.log.read(self.job_id, self.position, count=MAILBOX_MAX)
            except (RedisError, OSError):
                self._behind = True
                raise
            if len(events) == MAILBOX_MAX:
                self.fall_behind()
        else:
            events, self._mail = self._mail, []
        fresh = [event for event in events if event.position > self.position]
        if fresh:
            self.position = fresh[-1].position
        return fresh

    def close(self) -> None:
        self._hub.forget(self)


class Hub:
    """Start it once a process; `watch` any number of streams."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url, answer_s=BLOCK_MS / 1_000 + ANSWER_S)
        self._control = connect(url)
        self.log = StreamLog(self._control)
        self._watches: dict[JobId, list[Watch]] = {}
        self._positions: dict[JobId, Position] = {}
        self._wake_key = f"hub:wake:{uuid4()}"
        self._wake_id = "0"
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="stream-hub")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._redis.aclose()
        await self._control.aclose()

    @property
    def watchers(self) -> int:
        return sum(len(watches) for watches in self._watches.values())

    async def watch(self, job_id: JobId, after: Position) -> Watch:
        watch = Watch(self, job_id, after)
        others = self._watches.setdefault(job_id, [])
        others.append(watch)
        if len(others) == 1:
            self._positions[job_id] = after
            try:
                await self._wake()
            except BaseException:  # cancelled: nobody will close what nobody has
                self.forget(watch)
                raise
        else:
            watch.fall_behind()
        return watch

    async def _wake(self) -> None:
        """Make the reader look at its streams again. It notices by itself once a Redis that was away is back."""
        with contextlib.suppress(RedisError, OSError):
            await self._control.xadd(self._wake_key, {"w": b""}, maxlen=1)
            await self._control.expire(self._wake_key, 60)

    def forget(self, watch: Watch) -> None:
        others = self._watches.get(watch.job_id, [])
        if watch in others:
            others.remove(watch)
        if not others:
            self._watches.pop(watch.job_id, None)
            self._positions.pop(watch.job_id, None)

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._read()
            except (RedisError, OSError) as error:
                logger.warning("stream hub cannot read: %s", error)
                await asyncio.sleep(RECONNECT_S)
                continue
            await asyncio.sleep(max(0.0, TICK_S - (time.monotonic() - began)))

    async def _read(self) -> None:
        asked = {log_key(job_id): (job_id, after) for job_id, after in self._positions.items()}
        streams: dict[str, str] = {key: entry_id(after) for key, (_, after) in asked.items()}
        streams[self._wake_key] = self._wake_id
        answer = await self._redis.xread(dict(streams), count=READ_COUNT, block=BLOCK_MS)
        pairs = answer.items() if isinstance(answer, dict) else answer or []
        for raw_key, entries in pairs:
            key = raw_key.decode() if isinstance(raw_key, bytes) else raw_key
            batch = entries[0] if entries and isinstance(entries[0], list) else entries
            if key == self._wake_key:
                self._wake_id = batch[-1][0].decode()
            else:
                job_id, after = asked[key]
                self._deliver(job_id, after, [event_of(job_id, raw, fields) for raw, fields in batch])

    def _deliver(self, job_id: JobId, after: Position, events: list[Event]) -> None:
        """Hand out what follows `after`, unless the readers have changed meanwhile and want it from elsewhere."""
        if self._positions.get(job_id) != after:
            return
        self._positions[job_id] = events[-1].position
        for watch in self._watches[job_id]:
            watch.deliver(events)
