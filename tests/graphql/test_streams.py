"""Watching a generation over WebSocket and SSE: the same events, resumed anywhere, ended when the right to watch is."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from domain.accounts import Role
from domain.events import EventType, Position
from domain.ids import JobId
from persistence.database import Database
from persistence.streams import StreamLog, StreamWriter
from persistence.streams.log import log_key
from resolvers.event_source import SILENCE_S
from schema.ids import decode_id
from tests.documents import EVENTS, GENERATE
from tests.graphql.clients import Person, Site
from workers.generation import run_job
from workers.runtime import Runtime

POLL = """query ($id: ID!, $after: String, $first: Int!) {
  node(id: $id) { ... on Generation { events(after: $after, first: $first) {
    events { __typename seq cursor ... on TextDelta { text } ... on GenerationCompleted { version { text } } }
    endCursor hasMore
  } } }
}"""
JOB_EVENTS = "subscription ($id: ID!, $after: String) { jobEvents(id: $id, after: $after) { __typename seq cursor } }"


@dataclass(frozen=True)
class Started:
    id: str
    job_gid: str

    @property
    def job_id(self) -> JobId:
        return JobId(decode_id("Job", self.job_gid))


async def start(person: Person, instructions: str = "[demo:chunks=30 delay_ms=0]") -> Started:
    project = (await person.mutate("projectCreate", "project { id }", title="T"))["project"]["id"]
    chapter = (await person.mutate("chapterCreate", "chapter { id }", projectId=project, title="1"))["chapter"]["id"]
    started = await person(GENERATE, chapterId=chapter, key=secrets.token_hex(8), instructions=instructions)
    return Started(started["generation"]["id"], started["generation"]["job"]["id"])


@pytest.fixture(scope="module")
async def finished(alice: Person, runtime: Runtime) -> Started:
    """A generation that has ended, with its log still there."""
    one = await start(alice)
    await run_job(runtime, alice.tenant_id, one.job_id)
    return one


async def over_ws(person: Person, id_: str, after: str | None = None, query: str = EVENTS) -> list[dict[str, Any]]:
    async with person.socket() as ws:
        await ws.subscribe("1", query, id=id_, after=after)
        return [event async for event in ws.events("1")]


async def over_sse(person: Person, id_: str, after: str | None = None) -> list[dict[str, Any]]:
    async with person.site.sse(EVENTS, {"id": id_, "after": after}, authorization=person.authorization) as events:
        received = [event async for event in events]
    assert received[-1] == ("complete", None)
    assert {name for name, _ in received[:-1]} == {"next"}
    assert all("errors" not in answer for _, answer in received[:-1])
    return [answer["data"]["generationEvents"] for _, answer in received[:-1]]


def shown(events: list[dict[str, Any]], text: str = "") -> str:
    """What a page says after these events."""
    for event in events:
        match event["__typename"]:
            case "TextDelta":
                text += event["text"]
            case "StreamSnapshot":
                text = event["text"]
            case "StreamReset":
                text = ""
    return text


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
        before = site.api.database.statements
        await asyncio.sleep(2 * SILENCE_S)
        assert 2 <= site.api.database.statements - before <= 6


# -- the right to watch ----------------------------------------------------------------------------------------------


async def revoke_session(admin: Database, person: Person) -> None:
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("update app.sessions set revoked_at = now() where id = :s"), {"s": person.session_id}
        )


async def revoke_membership(admin: Database, person: Person) -> None:
    async with admin.engine.begin() as connection:
        for table in ("sessions", "memberships"):
            await connection.execute(text(f"delete from app.{table} where user_id = :u"), {"u": person.user_id})


async def seconds_to_the_end(
    site: Site, alice: Person, admin: Database, log: StreamLog, revoke: Any, *, talks: bool, after_s: float
) -> float:
    """How long a member still watches after a right was taken, who asks for other things all the while."""
    one = await start(alice)
    member = await site.member(alice, Role.VIEWER)
    busy = [asyncio.create_task(_asking(member))]
    if talks:
        busy.append(asyncio.create_task(_words(log, one.job_id)))
    async with member.socket() as ws:
        await ws.subscribe("1", EVENTS, id=one.id)
        await asyncio.sleep(after_s)
        await revoke(admin, member)
        began = asyncio.get_running_loop().time()
        events = [event async for event in ws.events("1")]
        took_s = asyncio.get_running_loop().time() - began
    for task in busy:
        task.cancel()
    assert (events[-1]["__typename"], events[-1]["revoked"]) == ("StreamRevoked", "UNAUTHENTICATED")
    return took_s


async def _asking(person: Person) -> None:
    while True:
        await person.ask("{ me { role } }")
        await asyncio.sleep(0.2)


async def test_a_right_that_ends_elsewhere_ends_the_stream_within_five_seconds(
    site: Site, alice: Person, admin: Database, log: StreamLog
) -> None:
    """Elsewhere: no process tells this one; it looks for itself, and must not believe for too long what it saw."""
    cases = [
        (revoke_session, True, 0.3),
        (revoke_membership, False, 0.3),
        (revoke_session, False, 1.6),
        (revoke_membership, True, 3.2),
    ]
    times = await asyncio.gather(
        *(
            seconds_to_the_end(site, alice, admin, log, revoke, talks=talks, after_s=after_s)
            for revoke, talks, after_s in cases
        )
    )
    assert max(times) < 5.0


async def _words(log: StreamLog, job_id: JobId) -> None:
    writer = StreamWriter(log, job_id, 1)
    while True:
        await writer.write(EventType.DELTA, {"text": "w "}, text="w ")
        await asyncio.sleep(0.05)


async def test_a_right_to_watch_in_another_tenant_stands_and_falls_with_membership_and_session(
    site: Site, alice: Person, admin: Database
) -> None:
    auth = site.api.authenticator
    for revoke in (revoke_session, revoke_membership):
        both = await site.tenant()
        await site.also_in(both, alice, Role.VIEWER)
        actor = await auth.authenticate(both.authorization, alice.tenant_gid)
        assert actor is not None and await auth.still_valid(actor)
        if revoke is revoke_session:
            await revoke_session(admin, both)
        else:
            async with admin.engine.begin() as connection:
                gone = text("delete from app.memberships where user_id = :u and tenant_id = :t")
                await connection.execute(gone, {"u": both.user_id, "t": alice.tenant_id})
        auth.forget()
        assert not await auth.still_valid(actor)


async def test_a_revoked_stream_can_be_resumed_where_it_ended(
    site: Site, alice: Person, admin: Database, log: StreamLog
) -> None:
    one = await start(alice)
    writer = StreamWriter(log, one.job_id, 1)
    await writer.write(EventType.DELTA, {"text": "before "}, text="before ")
    member = await site.member(alice, Role.VIEWER)
    async with member.socket() as ws:
        await ws.subscribe("1", EVENTS, id=one.id)
        first = next(iter((await ws.receive())["payload"]["data"].values()))
        await revoke_session(admin, member)
        rest = [event async for event in ws.events("1")]
    assert [event["__typename"] for event in rest] == ["StreamRevoked"]
    await writer.write(EventType.DELTA, {"text": "after"}, text="after")
    await writer.end(EventType.FAILED, {"code": "X", "message": "x"})
    events = await over_ws(alice, one.id, rest[-1]["cursor"])
    assert shown([first, *events]) == "before after"
    assert Position(1, 0).seq == first["seq"]
