"""One job's log in Redis, and the hub that reads many of them: nothing is lost, nothing comes twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisGone

from app.settings import Settings
from domain.errors import Rejected
from domain.events import (
    SNAPSHOT_N,
    TERMINAL_N,
    Event,
    EventType,
    Position,
    closing,
    decode_cursor,
    encode_cursor,
)
from domain.ids import JobId, new_id
from persistence.streams import Fenced, Hub, StreamLog, StreamWriter, connect
from persistence.streams.hub import MAILBOX_MAX
from persistence.streams.log import ENDED_TTL_S, log_key

BEGINNING = Position(0, 0)


@pytest.fixture
def job() -> JobId:
    return JobId(new_id())


@pytest.fixture(scope="module")
async def hub(settings: Settings) -> AsyncIterator[Hub]:
    hub = Hub(settings.redis_url.get_secret_value())
    await hub.start()
    yield hub
    await hub.stop()


async def say(writer: StreamWriter, *words: str) -> None:
    for word in words:
        await writer.write(EventType.DELTA, {"text": word}, text=word)


def shown(events: list[Event], text: str = "") -> str:
    """What a reader's page says after these events."""
    for event in events:
        match event.type:
            case EventType.DELTA:
                text += event.data["text"]
            case EventType.SNAPSHOT:
                text = event.data["text"]
            case EventType.RESET:
                text = ""
    return text


async def taken(watch: Any, until: Position) -> list[Event]:
    """All events up to a place."""
    events: list[Event] = []
    async with asyncio.timeout(5):
        while not events or events[-1].position < until:
            events += (await watch.take()).events()
    return events


async def test_events_are_numbered_within_their_attempt(log: StreamLog, job: JobId) -> None:
    writer = StreamWriter(log, job, 1)
    await writer.write(EventType.STARTED, {"attempt": 1})
    await say(writer, "a", "b")
    await writer.end(EventType.COMPLETED, {"version": None})
    read = await log.read(job, BEGINNING)
    assert [(e.position, e.type) for e in read] == [
        (Position(1, 0), EventType.STARTED),
        (Position(1, 1), EventType.DELTA),
        (Position(1, 2), EventType.DELTA),
        (Position(1, TERMINAL_N), EventType.COMPLETED),
    ]
    assert read[2].seq == (1 << 20) + 2


async def test_a_log_expires_a_while_after_its_end_and_not_before(log: StreamLog, job: JobId, redis: Any) -> None:
    writer = StreamWriter(log, job, 1)
    await say(writer, "a")
    assert await redis.ttl(log_key(job)) > 23 * 3600
    await writer.end(EventType.COMPLETED, {})
    assert ENDED_TTL_S - 5 <= await redis.ttl(log_key(job)) <= ENDED_TTL_S


async def test_a_stale_attempt_can_write_nothing(log: StreamLog, job: JobId) -> None:
    stale, fresh = StreamWriter(log, job, 1), StreamWriter(log, job, 2)
    await say(stale, "old")
    await fresh.write(EventType.RESET, {"attempt": 2})
    with pytest.raises(Fenced):
        await say(stale, "ghost")
    with pytest.raises(Fenced):
        await stale.end(EventType.COMPLETED, {})
    await say(fresh, "new")
    assert shown(await log.read(job, BEGINNING)) == "new"


async def test_a_stale_attempt_that_never_wrote_is_fenced_by_its_first_word(log: StreamLog, job: JobId) -> None:
    stale = StreamWriter(log, job, 1)
    await say(StreamWriter(log, job, 2), "new")
    with pytest.raises(Fenced):
        await stale.write(EventType.STARTED, {"attempt": 1})
    assert [e.position for e in await log.read(job, BEGINNING)] == [Position(2, 0)]


async def test_nothing_follows_the_end(log: StreamLog, job: JobId) -> None:
    writer = StreamWriter(log, job, 1)
    await say(writer, "asleep")
    await log.close(closing(job, 1, EventType.CANCELLED, {"version": None}, text="asleep", at=datetime.now(UTC)))
    with pytest.raises(Fenced):
        await say(writer, "awake")
    await writer.end(EventType.COMPLETED, {})  # its place is taken, which to a writer looks like its own lost answer
    read = await log.read(job, BEGINNING)
    assert [(e.position.n, e.type) for e in read[1:]] == [
        (SNAPSHOT_N, EventType.SNAPSHOT),
        (TERMINAL_N, EventType.CANCELLED),
    ]


async def test_a_wiped_log_begins_again_with_the_whole_text(log: StreamLog, job: JobId, redis: Any) -> None:
    writer = StreamWriter(log, job, 1)
    await say(writer, "one ", "two ")
    await redis.delete(log_key(job))
    await say(writer, "three")
    read = await log.read(job, BEGINNING)
    assert [(e.type, e.data["text"]) for e in read] == [
        (EventType.SNAPSHOT, "one two "),
        (EventType.DELTA, "three"),
    ]
    assert writer.snapshots == 1


@pytest.mark.parametrize("seen", [0, 1, 2, 3])
async def test_a_lost_end_is_mended_for_readers_wherever_they_stood(
    log: StreamLog, job: JobId, redis: Any, seen: int
) -> None:
    writer = StreamWriter(log, job, 1)
    await say(writer, "one ", "two ", "three ")
    before = (await log.read(job, BEGINNING))[:seen]
    await redis.delete(log_key(job))
    await redis.xadd(log_key(job), {"t": "DELTA", "d": '{"text":"one "}', "a": "1"}, id="1-0")  # what a restart kept
    await say(writer, "four")
    at = before[-1].position if before else BEGINNING
    assert shown(await log.read(job, at), shown(before)) == "one two three four"


async def test_a_write_whose_answer_was_lost_is_not_doubled(log: StreamLog, job: JobId, redis: Any) -> None:
    class Line:
        """Carries a request and drops its answer, when told to."""

        def __init__(self) -> None:
            self.breaks = False

        def __getattr__(self, name: str) -> Any:
            return getattr(redis, name)

        def register_script(self, text: str) -> Any:
            script = redis.register_script(text)

            async def call(**arguments: Any) -> Any:
                answer = await script(**arguments)
                if self.breaks:
                    self.breaks = False
                    raise RedisGone("lost")
                return answer

            return call

    line = Line()
    writer = StreamWriter(StreamLog(line), job, 1)
    await say(writer, "one ")
    line.breaks = True
    with pytest.raises(RedisGone):
        await say(writer, "two ")
    await say(writer, "two ", "three")
    read = await log.read(job, BEGINNING)
    assert shown(read) == "one two three"
    assert [e.data["text"] for e in read] == ["one ", "two ", "three"]


async def test_a_late_reader_gets_the_past_and_then_the_present(log: StreamLog, job: JobId, hub: Hub) -> None:
    writer = StreamWriter(log, job, 1)
    await say(writer, "a", "b")
    first = await hub.watch(job, BEGINNING)
    assert shown(await taken(first, Position(1, 1))) == "ab"
    late = await hub.watch(job, BEGINNING)
    resumed = await hub.watch(job, Position(1, 0))
    await say(writer, "c")
    for watch, text in ((first, "c"), (late, "abc"), (resumed, "bc")):
        events = await taken(watch, Position(1, 2))
        assert shown(events) == text
        assert len({e.position for e in events}) == len(events)
        watch.close()
    assert hub.watchers == 0


async def test_a_reader_who_joins_while_words_arrive_misses_none(log: StreamLog, hub: Hub) -> None:
    jobs = [JobId(new_id()) for _ in range(20)]
    words = [f"{n} " for n in range(40)]

    async def read(job: JobId, delay_s: float) -> str:
        await asyncio.sleep(delay_s)
        watch = await hub.watch(job, BEGINNING)
        events = await taken(watch, Position(1, len(words) - 1))
        watch.close()
        assert [e.position.n for e in events] == list(range(len(words)))
        return shown(events)

    async def write(job: JobId) -> None:
        writer = StreamWriter(log, job, 1)
        for word in words:
            await say(writer, word)

    readers = [read(job, number % 5 * 0.01) for number, job in enumerate(jobs * 2)]
    texts, _ = await asyncio.gather(asyncio.gather(*readers), asyncio.gather(*(write(job) for job in jobs)))
    assert set(texts) == {"".join(words)}


async def test_a_reader_that_falls_behind_reads_again_and_loses_nothing(log: StreamLog, job: JobId, hub: Hub) -> None:
    watch = await hub.watch(job, BEGINNING)
    writer = StreamWriter(log, job, 1)
    count = 3 * MAILBOX_MAX
    await say(writer, *(f"{n} " for n in range(count)))
    probe = await hub.watch(job, BEGINNING)  # shares the hub's reader: when it has all, so has the other been told
    await taken(probe, Position(1, count - 1))
    assert watch._behind
    assert len(watch._mail) <= MAILBOX_MAX
    events = await taken(watch, Position(1, count - 1))
    assert [e.position.n for e in events] == list(range(count))
    watch.close()
    probe.close()


async def test_a_reader_of_a_wiped_log_is_shown_the_text_anew(log: StreamLog, job: JobId, hub: Hub, redis: Any) -> None:
    watch = await hub.watch(job, BEGINNING)
    writer = StreamWriter(log, job, 1)
    await say(writer, "one ", "two ")
    before = await taken(watch, Position(1, 1))
    await redis.flushall()
    await say(writer, "three")
    after = await taken(watch, Position(1, writer._n))
    assert shown(after, shown(before)) == "one two three"
    watch.close()


async def test_a_reader_that_gives_up_while_joining_leaves_nothing_behind(job: JobId, hub: Hub) -> None:
    while not hub._asked:  # noqa: ASYNC110 - between two questions, joining takes no time
        await asyncio.sleep(0)
    joining = asyncio.create_task(hub.watch(job, BEGINNING))
    while not hub.watchers:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0)
    joining.cancel()
    await asyncio.gather(joining, return_exceptions=True)
    assert hub.watchers == 0


@pytest.mark.parametrize("steps", range(1, 12))
async def test_whoever_waits_for_redis_stops_when_told_whatever_it_is_at(settings: Settings, steps: int) -> None:
    """Before Python 3.12 `asyncio.wait_for`, which redis-py sends through, may swallow a cancellation."""
    client = connect(settings.redis_url.get_secret_value(), answer_s=30)
    await client.ping()
    reading = asyncio.create_task(client.xread({"nothing": "$"}, block=20_000))
    for _ in range(steps):
        await asyncio.sleep(0)
    reading.cancel()
    done, _ = await asyncio.wait({reading}, timeout=1)
    assert done == {reading}
    assert reading.cancelled()
    await client.aclose()


async def test_a_nudge_is_an_empty_answer_before_or_while_one_waits(job: JobId, hub: Hub) -> None:
    watch = await hub.watch(job, BEGINNING)
    watch.nudge()
    assert len(await watch.take()) == 0
    waiting = asyncio.create_task(watch.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    watch.nudge()
    assert len(await waiting) == 0
    watch.close()


def test_a_cursor_leads_to_its_place_in_its_own_stream_only(job: JobId) -> None:
    cursor = encode_cursor(job, Position(3, 77))
    assert decode_cursor(cursor, job) == Position(3, 77)
    with pytest.raises(Rejected, match="another stream"):
        decode_cursor(cursor, JobId(new_id()))
    for garbage in ("", "x", cursor[:-4], cursor + "AAAA", "ü" * 32):
        with pytest.raises(Rejected, match="not a cursor"):
            decode_cursor(garbage, job)
