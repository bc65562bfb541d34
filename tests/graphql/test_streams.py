"""Watching a generation over WebSocket and SSE: the same events, resumed anywhere, told to the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.settings import Settings
from domain.events import EventType
from persistence.database import Database
from persistence.streams import StreamLog, StreamWriter
from persistence.streams.log import log_key
from resolvers.event_source import SILENCE_S
from tests.conftest import opened_site
from tests.documents import EVENTS
from tests.graphql.clients import Person, Site, eventually
from tests.graphql.generations import Started, over_sse, over_ws, shown, start, watched
from tests.pace import slowness
from workers.generation import run_job
from workers.runtime import Runtime

POLL = """query ($id: ID!, $after: String, $first: Int!) {
  node(id: $id) { ... on Generation { events(after: $after, first: $first) {
    events { __typename seq cursor ... on TextDelta { text } ... on GenerationCompleted { version { text } } }
    endCursor hasMore
  } } }
}"""
JOB_EVENTS = "subscription ($id: ID!, $after: String) { jobEvents(id: $id, after: $after) { __typename seq cursor } }"


@pytest.fixture(scope="module")
async def finished(alice: Person, runtime: Runtime) -> Started:
    """A generation that has ended, with its log still there."""
    one = await start(alice)
    await run_job(runtime, alice.tenant_id, one.job_id)
    return one


async def test_a_watcher_sees_every_word_once_and_the_end_last(alice: Person, finished: Started) -> None:
    events = await over_ws(alice, finished.id)
    kinds = [event["__typename"] for event in events]
    assert kinds[:2] == ["ContextReceiptReady", "GenerationStartedEvent"]
    assert set(kinds[2:-1]) == {"TextDelta"}
    assert kinds[-1] == "GenerationCompleted"
    assert events[-1]["version"]["text"] == shown(events) != ""
    seqs = [event["seq"] for event in events]
    assert seqs == sorted(set(seqs))


async def test_both_transports_and_polling_tell_the_same(alice: Person, finished: Started) -> None:
    events = await over_ws(alice, finished.id)
    assert await over_sse(alice, finished.id) == events
    polled: list[dict[str, Any]] = []
    after, more = None, True
    while more:
        page = (await alice(POLL, id=finished.id, after=after, first=4))["events"]
        assert len(page["events"]) <= 4
        polled, after, more = polled + page["events"], page["endCursor"], page["hasMore"]
    assert [(event["__typename"], event["seq"], event["cursor"]) for event in polled] == [
        (event["__typename"], event["seq"], event["cursor"]) for event in events
    ]
    of_job = await over_ws(alice, finished.job_gid, query=JOB_EVENTS)
    assert [event["cursor"] for event in of_job] == [event["cursor"] for event in events]


async def test_a_watcher_resumes_from_any_event_and_misses_nothing(alice: Person, finished: Started) -> None:
    events = await over_ws(alice, finished.id)
    for number, event in enumerate(events[:-1]):
        assert await over_ws(alice, finished.id, event["cursor"]) == events[number + 1 :]
    assert await over_ws(alice, finished.id, events[-1]["cursor"]) == []


async def test_after_the_log_is_gone_the_text_comes_from_the_database(
    alice: Person, runtime: Runtime, redis: Any
) -> None:
    one = await start(alice)
    await run_job(runtime, alice.tenant_id, one.job_id)
    before = await over_ws(alice, one.id)
    await redis.delete(log_key(one.job_id))
    after = await over_ws(alice, one.id)
    assert [event["__typename"] for event in after] == ["StreamSnapshot", "GenerationCompleted"]
    assert shown(after) == shown(before)
    assert after[-1]["cursor"] == before[-1]["cursor"]
    for event in before[:-1]:
        assert shown(await over_ws(alice, one.id, event["cursor"])) == shown(before)
    assert await over_ws(alice, one.id, before[-1]["cursor"]) == []
    assert await over_sse(alice, one.id) == after


async def test_a_terminal_event_that_was_never_written_is_told_from_the_database(
    alice: Person, runtime: Runtime, redis: Any
) -> None:
    one = await start(alice)
    async with alice.socket() as ws:
        await ws.subscribe("1", EVENTS, id=one.id)
        await run_job(runtime, alice.tenant_id, one.job_id)
        whole = [event async for event in ws.events("1")]
    [(last, _)] = await redis.xrevrange(log_key(one.job_id), count=1)
    await redis.xdel(log_key(one.job_id), last)
    events = await over_ws(alice, one.id, whole[-2]["cursor"])
    assert [event["__typename"] for event in events] == ["StreamSnapshot", "GenerationCompleted"]
    assert shown(events, shown(whole[:-1])) == shown(whole)


async def test_two_watchers_who_come_at_different_times_read_the_same(alice: Person, runtime: Runtime) -> None:
    one = await start(alice, "[demo:chunks=40 delay_ms=10]")
    running = asyncio.create_task(run_job(runtime, alice.tenant_id, one.job_id))
    early = asyncio.create_task(over_ws(alice, one.id))
    async with alice.socket() as ws:
        await ws.subscribe("1", EVENTS, id=one.id)
        async for event in ws.events("1"):
            if event["__typename"] == "TextDelta":
                break
        late = asyncio.create_task(over_sse(alice, one.id))
        texts = {shown(await early), shown(await late)}
    await running
    stored = await alice("query ($id: ID!) { node(id: $id) { ... on Generation { text } } }", id=one.id)
    assert texts == {stored["text"]}


async def test_who_watches_a_waiting_generation_hears_of_its_cancel_at_once(alice: Person) -> None:
    one = await start(alice)
    async with alice.socket() as ws:
        await ws.subscribe("1", EVENTS, id=one.id)
        await asyncio.sleep(0.1)  # it has asked PostgreSQL once, and would ask again after SILENCE_S
        began = time.monotonic()
        await alice.mutate("generationCancel", "generation { state }", id=one.id)
        events = [event async for event in ws.events("1")]
    assert [event["__typename"] for event in events] == ["GenerationCancelled"]
    assert time.monotonic() - began < SILENCE_S / 2
    assert [event["seq"] for event in await over_ws(alice, one.id)] == [events[0]["seq"]]


async def test_a_client_that_leaves_stops_only_its_own_watching(alice: Person, runtime: Runtime) -> None:
    one = await start(alice, "[demo:chunks=20 delay_ms=20]")
    running = asyncio.create_task(run_job(runtime, alice.tenant_id, one.job_id))
    async with alice.socket() as ws:
        await ws.subscribe("1", EVENTS, id=one.id)
        async for event in ws.events("1"):
            if event["__typename"] == "TextDelta":
                break
        ws.connection.transport.abort()
    await running
    events = await over_ws(alice, one.id)
    assert events[-1]["__typename"] == "GenerationCompleted"


async def test_a_cursor_of_another_generation_is_refused(alice: Person, finished: Started, runtime: Runtime) -> None:
    other = await start(alice)
    cursor = (await over_ws(alice, finished.id))[0]["cursor"]
    assert await alice.code(POLL, id=other.id, after=cursor, first=5) == "BAD_USER_INPUT"
    async with alice.site.sse(EVENTS, {"id": other.id, "after": cursor}, authorization=alice.authorization) as events:
        received = [event async for event in events]
    assert received[0][1]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert received[-1] == ("complete", None)


async def test_a_cursor_is_no_key(alice: Person, bob: Person, finished: Started) -> None:
    cursor = (await over_ws(alice, finished.id))[0]["cursor"]
    variables = {"id": finished.id, "after": cursor}
    async with bob.site.sse(EVENTS, variables, authorization=bob.authorization) as events:
        [(name, answer), end] = [event async for event in events]
    assert (name, end) == ("next", ("complete", None))
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_FOUND"]
    assert "data" not in answer or answer["data"] is None


async def test_a_query_over_sse_is_one_answer(alice: Person) -> None:
    async with alice.site.sse("{ me { role } }", {}, authorization=alice.authorization) as events:
        told = [event async for event in events]
    assert [name for name, _ in told] == ["next", "complete"]
    assert told[0][1]["data"] == {"me": {"role": "OWNER"}}


async def test_a_document_that_is_refused_says_so_in_its_stream(alice: Person) -> None:
    """A browser's EventSource cannot read the body of a refusal."""
    for query, code in (("{", "GRAPHQL_PARSE_FAILED"), ("{ nothing }", "GRAPHQL_VALIDATION_FAILED")):
        async with alice.site.sse(query, {}, authorization=alice.authorization) as events:
            told = [event async for event in events]
        assert [name for name, _ in told] == ["next", "complete"]
        assert told[0][1]["errors"][0]["extensions"]["code"] == code
        assert "data" not in told[0][1]


async def test_a_request_that_is_refused_before_its_document_is_read_is_answered_in_json(alice: Person) -> None:
    headers = {"accept": "text/event-stream", "authorization": "Bearer nonsense"}
    response = await alice.site.http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (401, "application/json; charset=utf-8")
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_slow_reader_gets_everything_in_the_end(alice: Person, log: StreamLog) -> None:
    """More events than a mailbox holds, written faster than they are read."""
    one = await start(alice)
    writer = StreamWriter(log, one.job_id, 1)
    async with alice.socket() as ws:
        await ws.subscribe("1", EVENTS, id=one.id)
        for number in range(1_000):
            await writer.write(EventType.DELTA, {"text": f"{number} "}, text=f"{number} ")
        await writer.end(EventType.FAILED, {"code": "X", "message": "x"})
        events = [event async for event in ws.events("1")]
    assert shown(events) == writer.text
    assert events[-1]["__typename"] == "GenerationFailed"


async def test_a_client_that_does_not_read_is_waited_for_and_gets_everything(alice: Person, log: StreamLog) -> None:
    """More than the buffers of both sockets hold: the server has to stop writing, and then resynchronizes."""
    one = await start(alice)
    writer = StreamWriter(log, one.job_id, 1)
    async with alice.socket() as ws:
        await ws.subscribe("1", EVENTS, id=one.id)
        await writer.write(EventType.DELTA, {"text": "begin "}, text="begin ")
        assert (await ws.receive())["payload"]["data"]["generationEvents"]["text"] == "begin "
        ws.connection.transport.pause_reading()
        for number in range(1_500):
            words = f"{number} " * 2_000
            await writer.write(EventType.DELTA, {"text": words}, text=words)
        await writer.end(EventType.FAILED, {"code": "X", "message": "x"})
        await asyncio.sleep(0.2)
        ws.connection.transport.resume_reading()
        events = [event async for event in ws.events("1")]
    assert shown(events, "begin ") == writer.text
    assert [event["seq"] for event in events[:-1]] == list(range((1 << 20) + 1, (1 << 20) + 1_501))


async def test_an_end_that_nobody_told_is_noticed_within_two_seconds_of_silence(alice: Person, admin: Database) -> None:
    one = await start(alice)
    async with alice.socket() as ws:
        await ws.subscribe("1", EVENTS, id=one.id)
        await asyncio.sleep(0.3)  # the first look is over
        async with admin.engine.begin() as connection:
            ended = "state = 'CANCELLED', finished_at = now()"
            await connection.execute(text(f"update app.generations set {ended} where job_id = :j"), {"j": one.job_id})
            await connection.execute(text(f"update app.jobs set {ended} where id = :j"), {"j": one.job_id})
        began = time.monotonic()
        assert [event["__typename"] async for event in ws.events("1")] == ["GenerationCancelled"]
        assert time.monotonic() - began < SILENCE_S + 0.3


async def test_silent_watchers_are_asked_about_together(site: Site) -> None:
    """Forty of them: one statement about their jobs each two seconds, one about their rights each three."""
    person = await site.tenant()
    waiting = [await start(person) for _ in range(4)]
    async with person.socket() as ws:
        for number in range(40):
            await ws.subscribe(f"{number}", EVENTS, id=waiting[number % 4].id)
        while site.api.hub.watchers < 40:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        await site.api.uses.flush()  # what was used so far is not written meanwhile
        before = site.api.database.statements
        await asyncio.sleep(2 * SILENCE_S)
        assert 2 <= site.api.database.statements - before <= 6


async def test_a_stream_ends_without_completing_when_the_server_goes_away(settings: Settings) -> None:
    told: list[Any] = []

    async def follow(events: AsyncIterator[Any]) -> None:
        told.extend([event async for event in events])

    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        async with opened_site(settings) as site:
            person = await site.tenant()
            generation = (await start(person)).id
            site.http, kept = client, site.http
            client.base_url = kept.base_url
            opened = site.sse(EVENTS, {"id": generation}, authorization=person.authorization)
            following = asyncio.create_task(follow(await opened.__aenter__()))
            await eventually(lambda: watched(site, 1), "the stream is watched")
            began = asyncio.get_running_loop().time()
        await asyncio.wait_for(following, 5)  # the body came to its proper end: no error
        assert asyncio.get_running_loop().time() - began < 2 * slowness()
        await opened.__aexit__(None, None, None)
    assert ("complete", None) not in told
