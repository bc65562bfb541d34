"""One Redis Stream a job. Entry ids are `attempt-n`, so Redis itself refuses what a stale worker writes.

A write names the entry that must be on top. When another one is there, the log has lost its end (a restart of
Redis loses up to a second of it) or all of it, and the writer puts the whole text so far in as a snapshot: readers
who had seen the lost part, and readers who had not, show the same text again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, cast
from zlib import crc32

import orjson
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from domain.errors import DomainError
from domain.events import SNAPSHOT_N, TERMINAL, TERMINAL_N, Event, EventType, Position
from domain.ids import JobId

SHARDS = 64
LIVE_TTL_S = 24 * 3600
ENDED_TTL_S = 600
ANSWER_S = 2.0

_APPEND = """
local top = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
top = top and top[1] or ''
if ARGV[1] ~= '*' and top ~= ARGV[1] then return top end
redis.call('XADD', KEYS[1], ARGV[2], 't', ARGV[3], 'd', ARGV[4], 'a', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[6])
return ARGV[2]
"""


_TYPES = {type_.value.encode(): type_ for type_ in EventType}
_TERMINAL = frozenset(type_.value.encode() for type_ in TERMINAL)
_EPOCH = datetime.fromtimestamp(0, UTC)

logger = logging.getLogger(__name__)

OUTAGES = (RedisError, OSError)
"""What a call raises while Redis is away."""


class Fenced(DomainError):
    """A newer attempt writes this log now, or it has ended."""


def shard_of(job_id: JobId) -> str:
    """The hash tag that puts a job's keys on one node of a cluster."""
    return f"{{s{crc32(job_id.bytes) % SHARDS:02d}}}"


def log_key(job_id: JobId) -> str:
    return f"{shard_of(job_id)}:events:{job_id}"


class Line:
    """Mixed into a connection class of redis-py: sends without `asyncio.wait_for`.

    Before Python 3.12 that swallows a cancellation which comes just as it ends, and a task that is told to stop
    would go on for ever.
    """

    socket_timeout: float | None

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        answer_s, self.socket_timeout = self.socket_timeout, None
        try:
            async with asyncio.timeout(answer_s):
                await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except TimeoutError:
            raise RedisTimeout("Timeout writing to socket") from None
        finally:
            self.socket_timeout = answer_s


def connect(url: str, *, answer_s: float = ANSWER_S) -> Any:
    """An asyncio client (typed Any: its stubs fit no call) that reports a lost connection instead of retrying.

    A server that does not answer within `answer_s` counts as lost: a line can die without a word.
    """
    client: Any = Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=answer_s,
        socket_connect_timeout=1.0,
        decode_responses=False,
    )
    pool = client.connection_pool
    pool.connection_class = type("Line", (Line, pool.connection_class), {})
    return client


def entry_id(position: Position) -> str:
    return f"{position.attempt}-{position.n}"


def position_of(raw: bytes) -> Position:
    attempt, _, n = raw.partition(b"-")
    return Position(int(attempt), int(n))


@lru_cache(maxsize=4096)
def moment_of(at_ms: bytes) -> datetime:
    return datetime.fromtimestamp(int(at_ms) / 1000, UTC)


Entry = Sequence[Any]
"""What Redis keeps of an event: its id, and names and values in turn, in the order in which `append` writes them."""


def event_of(job_id: JobId, entry: Entry) -> Event:
    raw_id, fields = entry
    return Event(job_id, position_of(raw_id), _TYPES[fields[1]], orjson.loads(fields[3]), moment_of(fields[5]))


def entry_of(event: Event) -> Entry:
    """An event that is in no log, as if it were."""
    at_ms = (event.at - _EPOCH) // timedelta(milliseconds=1)
    fields = [b"t", event.type.value.encode(), b"d", orjson.dumps(event.data), b"a", b"%d" % at_ms]
    return entry_id(event.position).encode(), fields


class Batch:
    """Events of one job that came together, as the log has them until somebody needs more than that.

    `shared` says that others in this process are handed the very same entries.
    """

    __slots__ = ("entries", "job_id", "shared")

    def __init__(self, job_id: JobId, entries: Sequence[Entry] = (), *, shared: bool = False) -> None:
        self.job_id = job_id
        self.entries = entries
        self.shared = shared

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def terminal(self) -> bool:
        """Whether the stream ends with it."""
        return bool(self.entries) and self.entries[-1][1][1] in _TERMINAL

    def events(self) -> list[Event]:
        """The events that can be read; one that cannot, of another release perhaps, is left out and reported."""
        return [event for entry in self.entries if (event := self.event(entry)) is not None]

    def event(self, entry: Entry) -> Event | None:
        try:
            return event_of(self.job_id, entry)
        except (LookupError, ValueError):
            logger.exception("entry %r of the log of job %s cannot be read", entry[0], self.job_id)
            return None


class StreamLog:
    """Reads of one log, and the append that everything is written through."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._append = redis.register_script(_APPEND)

    async def append(
        self, job_id: JobId, position: Position, type_: EventType, data: dict[str, Any], *, top: str, ttl_s: int
    ) -> str:
        """Put an event after the entry `top` ("" for an empty log, "*" for whatever is there).

        Returns the id now on top: the event's own when it was written. Raises ResponseError when Redis has a newer id.
        """
        at_ms = int(datetime.now(UTC).timestamp() * 1000)
        arguments = [top, entry_id(position), type_.value, orjson.dumps(data), at_ms, ttl_s]
        answer = await self._append(keys=[log_key(job_id)], args=arguments)
        return cast("bytes", answer).decode()

    async def top(self, job_id: JobId) -> str:
        entries = await self._redis.xrevrange(log_key(job_id), count=1)
        return entries[0][0].decode() if entries else ""

    async def read(self, job_id: JobId, after: Position, *, count: int | None = None) -> list[Event]:
        """Events after a position, oldest first; empty also when the log is gone."""
        return Batch(job_id, await self.entries(job_id, after, count=count)).events()

    async def entries(self, job_id: JobId, after: Position, *, count: int | None = None) -> list[Entry]:
        found = await self._redis.xrange(log_key(job_id), min=f"({entry_id(after)}", count=count)
        return [(raw_id, [*chain.from_iterable(fields.items())]) for raw_id, fields in found]

    async def close(self, events: Iterable[Event]) -> None:
        """Write the events that close a stream. Best effort: readers ask PostgreSQL when they are missing."""
        with contextlib.suppress(ResponseError):  # it has an end already
            for event in events:
                await self.append(
                    event.job_id, event.position, event.type, event.data, top="*", ttl_s=ENDED_TTL_S
                )  # fmt: skip


class StreamWriter:
    """Writes one attempt's events. Not for two tasks at once.

    `text` is the whole text of the attempt so far: what a snapshot says.
    """

    def __init__(self, log: StreamLog, job_id: JobId, attempt: int) -> None:
        self._log = log
        self._job_id = job_id
        self._attempt = attempt
        self._n = -1
        self._top = "*"
        self.text = ""
        self.snapshots = 0

    async def write(self, type_: EventType, data: dict[str, Any], *, text: str = "") -> None:
        """Append an event; `text` is what it adds to the whole.

        Raises Fenced when a newer attempt writes, RedisError when Redis cannot be reached: the event is then not
        counted as written, and the same call may be made again.
        """
        await self._put(self._next, type_, data, LIVE_TTL_S)
        self.text += text

    async def end(self, type_: EventType, data: dict[str, Any]) -> None:
        """Append the terminal event, and close the log. Raises as `write` does.

        Its place is the one that readers give it who rebuild the end from PostgreSQL: one end, one cursor.
        """
        await self._put(lambda: Position(self._attempt, TERMINAL_N), type_, data, ENDED_TTL_S)

    async def _put(self, place: Callable[[], Position], type_: EventType, data: dict[str, Any], ttl_s: int) -> None:
        position = place()
        top = await self._try(position, type_, data, self._top, ttl_s)
        if top != entry_id(position):
            # The log lost its end. The event then follows a snapshot of all that came before it.
            await self._snapshot(top)
            position = place()
            top = await self._try(position, type_, data, self._top, ttl_s)
            if top != entry_id(position):
                raise RedisError(f"the log of job {self._job_id} moves under its writer")
        self._n, self._top = position.n, top

    def _next(self, *, skip: int = 0) -> Position:
        n = self._n + 1 + skip
        if n >= SNAPSHOT_N:
            raise Fenced(f"job {self._job_id} has written {self._n} events")
        return Position(self._attempt, n)

    async def _snapshot(self, top: str) -> None:
        # The lost end may hold a write that was never confirmed to us and yet read by somebody, who would take
        # a snapshot under the same number for a repetition.
        position = self._next(skip=1)
        data = {"attempt": self._attempt, "text": self.text}
        written = await self._try(position, EventType.SNAPSHOT, data, top, LIVE_TTL_S)
        if written != entry_id(position):
            raise RedisError(f"the log of job {self._job_id} moves under its writer")
        self._n, self._top = position.n, written
        self.snapshots += 1

    async def _try(self, position: Position, type_: EventType, data: dict[str, Any], top: str, ttl_s: int) -> str:
        try:
            found = await self._log.append(self._job_id, position, type_, data, top=top, ttl_s=ttl_s)
        except ResponseError as error:
            if "equal or smaller" not in str(error):
                raise
            found = await self._log.top(self._job_id)
        if found and found != entry_id(position):
            top_attempt, n = position_of(found.encode())
            if top_attempt > self._attempt or n >= SNAPSHOT_N:
                raise Fenced(f"attempt {top_attempt} writes job {self._job_id}, or has ended it")
        return found
