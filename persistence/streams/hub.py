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
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from redis.exceptions import RedisError

from domain.events import Position
from domain.ids import JobId
from persistence.streams.log import ANSWER_S, Batch, Entry, StreamLog, connect, entry_id, log_key, position_of

TICK_S = 0.005
"""The least time between two reads: everything that arrives within it is taken at once."""
TICK_PER_STREAM_S = 40e-6
TICK_MAX_S = 0.1
"""A read names every stream, and wakes every reader of those that have something: 1,000 are read every 40 ms."""
BLOCK_MS = 5_000
MAILBOX_MAX = 256
ENTRIES_MAX = 20_000
"""About how many entries one read may bring, however many have waited: the process has other work as well."""
ENTRIES_PER_STREAM_MIN = 8
RECONNECT_S = 0.1

logger = logging.getLogger(__name__)


class Watch:
    """One watcher of one stream."""

    __slots__ = ("_arrived", "_behind", "_hub", "_mail", "_nudged", "_overlaps", "_position", "_stream", "heard_at")

    def __init__(self, hub: Hub, stream: Stream, after: Position) -> None:
        self._hub = hub
        self._stream = stream
        self._position = entry_id(after).encode()
        self.heard_at = float("-inf")
        """When something last arrived, in the time of the loop."""
        self._mail: list[Entry] = []
        self._behind = self._nudged = False
        self._overlaps = True  # the mail may begin before our place
        self._arrived: asyncio.Future[None] | None = None

    @property
    def position(self) -> Position:
        """The place of the last event that was taken."""
        return position_of(self._position)

    def deliver(self, entries: Sequence[Entry], now: float) -> None:
        self.heard_at = now
        if len(self._mail) + len(entries) > self._hub.mailbox_max:
            self._mail.clear()
            self._behind = True
        elif not self._behind:
            self._mail.extend(entries)
        self._wake()

    def fall_behind(self) -> None:
        """Make the next `take` read from the log: the hub cannot vouch for the mailbox."""
        self._behind = True
        self._wake()

    def nudge(self) -> None:
        """Make the next or present `take` return, with nothing if nothing is there."""
        self._nudged = True
        self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    async def take(self) -> Batch:
        """Everything new, in order, without repetition; empty after a nudge.

        Raises RedisError when the log has to be read and cannot be.
        """
        if not (self._mail or self._behind or self._nudged):
            self._arrived = asyncio.get_running_loop().create_future()
            try:
                await self._arrived
            finally:
                self._arrived = None
        self._nudged = False
        if self._behind:
            entries = await self._read_again()
            self._overlaps = True
        else:
            entries, self._mail = self._mail, []
            if self._overlaps and entries:
                at = self.position
                entries = [entry for entry in entries if position_of(entry[0]) > at]
                self._overlaps = not entries
        if entries:
            self._position = entries[-1][0]
        return Batch(self._stream.job_id, entries, shared=len(self._stream.watches) > 1)

    async def _read_again(self) -> list[Entry]:
        self._behind = False
        self._mail.clear()
        count = self._hub.mailbox_max
        try:
            entries = await self._hub.log.entries(self._stream.job_id, self.position, count=count)
        except (RedisError, OSError):
            self._behind = True
            raise
        if len(entries) == count:
            self.fall_behind()
        return entries

    def close(self) -> None:
        self._hub.forget(self, self._stream)


class Stream:
    """A log that is watched, and its part of the reader's command."""

    __slots__ = ("after", "job_id", "key", "named", "watches")

    def __init__(self, job_id: JobId, after: Position) -> None:
        self.job_id = job_id
        self.key = log_key(job_id).encode()
        self.named = bulk(self.key)
        self.after = bulk(entry_id(after).encode())
        self.watches: list[Watch] = []


class Hub:
    """Start it once a process; `watch` any number of streams."""

    def __init__(self, url: str, *, mailbox_max: int = MAILBOX_MAX) -> None:
        self._redis = connect(url, answer_s=BLOCK_MS / 1_000 + ANSWER_S)
        self._control = connect(url)
        self.log = StreamLog(self._control)
        self.mailbox_max = mailbox_max
        self._streams: dict[bytes, Stream] = {}
        self._wake_key = f"hub:wake:{uuid4()}".encode()
        self._wake_id = b"0"
        self._asked = self._woken = False
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
        return sum(len(stream.watches) for stream in self._streams.values())

    async def watch(self, job_id: JobId, after: Position) -> Watch:
        key = log_key(job_id).encode()
        stream = self._streams.get(key)
        known = stream is not None
        if stream is None:
            stream = self._streams[key] = Stream(job_id, after)
        watch = Watch(self, stream, after)
        stream.watches.append(watch)
        if known:
            watch.fall_behind()
            return watch
        try:
            await self._wake()
        except BaseException:  # cancelled: nobody will close what nobody has
            watch.close()
            raise
        return watch

    async def _wake(self) -> None:
        """Make the reader look at its streams again. It notices by itself once a Redis that was away is back."""
        if not self._asked or self._woken:
            return  # it is about to ask, or to come back and ask again
        self._woken = True
        try:
            async with self._control.pipeline(transaction=False) as pipe:
                pipe.xadd(self._wake_key, {"w": b""}, maxlen=1)
                pipe.expire(self._wake_key, 60)
                await pipe.execute()
        except (RedisError, OSError):
            self._woken = False
        except BaseException:
            self._woken = False
            raise

    def forget(self, watch: Watch, stream: Stream) -> None:
        if watch in stream.watches:
            stream.watches.remove(watch)
        if not stream.watches and self._streams.get(stream.key) is stream:
            del self._streams[stream.key]

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._read()
            except (RedisError, OSError) as error:
                logger.warning("stream hub cannot read: %s", error)
                await asyncio.sleep(RECONNECT_S)
                continue
            finally:
                self._asked = False
            tick_s = min(TICK_MAX_S, max(TICK_S, len(self._streams) * TICK_PER_STREAM_S))
            await asyncio.sleep(max(0.0, tick_s - (time.monotonic() - began)))

    async def _read(self) -> None:
        asked = dict(self._streams)
        self._asked, self._woken = True, False  # who comes from now on is not in this question
        answer = await self._answer(self._command(asked))
        now = asyncio.get_running_loop().time()
        for key, entries in answer:
            if key == self._wake_key:
                self._wake_id = entries[-1][0]
            elif self._streams.get(key) is (stream := asked[key]):  # else it is watched anew, from elsewhere
                stream.after = bulk(entries[-1][0])
                for watch in stream.watches:
                    watch.deliver(entries, now)

    def _command(self, asked: dict[bytes, Stream]) -> bytes:
        """XREAD of all streams, put together from parts that are kept: redis-py would encode each one every time."""
        count = min(self.mailbox_max, max(ENTRIES_PER_STREAM_MIN, ENTRIES_MAX // (len(asked) + 1)))
        words = [b"XREAD", b"COUNT", b"%d" % count, b"BLOCK", b"%d" % BLOCK_MS, b"STREAMS"]
        streams = asked.values()
        return b"".join(
            [
                b"*%d\r\n" % (len(words) + 2 * len(asked) + 2),
                *map(bulk, words),
                *(stream.named for stream in streams),
                bulk(self._wake_key),
                *(stream.after for stream in streams),
                bulk(self._wake_id),
            ]
        )

    async def _answer(self, command: bytes) -> Any:
        """The raw reply, as pairs (key, entries): redis-py's own would be a dict for every entry."""
        pool = self._redis.connection_pool
        connection = await pool.get_connection()
        try:
            await connection.send_packed_command(command)
            answer = await connection.read_response()
        finally:
            await pool.release(connection)
        return answer.items() if isinstance(answer, dict) else answer or ()


def bulk(value: bytes) -> bytes:
    """A string as Redis is sent it."""
    return b"$%d\r\n%b\r\n" % (len(value), value)
