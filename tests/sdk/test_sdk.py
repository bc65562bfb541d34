"""The Python SDK against a running API: signing in, reading, and watching through connections that break."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fabula_client import (
    ApiToken,
    ChapterCreateInput,
    ChapterGenerateInput,
    ErrorCode,
    Fabula,
    ProjectCreateInput,
    ProjectFilter,
    RegisterInput,
    RequestRefused,
    Session,
    Unauthenticated,
    UserErrors,
    check,
)
from fabula_client.documents import manifest
from fabula_client.events import GenerationCompleted, TextDelta

from domain.ids import JobId, TenantId
from schema.ids import decode_id
from tests.faults.line import Line
from tests.graphql.clients import Site
from workers.generation import run_job
from workers.runtime import Runtime

PASSWORD = "a long enough password"


class Recorder(httpx.AsyncHTTPTransport):
    """A real transport that keeps the bodies that went over it."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.content.decode())
        return await super().handle_async_request(request)


@pytest.fixture
async def wire() -> AsyncIterator[Recorder]:
    yield Recorder()


@pytest.fixture
async def http(wire: Recorder) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=wire, timeout=30) as http:
        yield http


@pytest.fixture
async def session(site: Site, http: httpx.AsyncClient) -> Session:
    """Of a person who registered a moment ago."""
    email = f"{secrets.token_hex(6)}@example.org"
    client = Fabula(site.url + "/graphql", http=http)
    registration = RegisterInput(email=email, password=PASSWORD, display_name="Lin")
    check((await client.register(registration)).register)
    session = Session(site.url + "/graphql", http=http)
    with pytest.raises(UserErrors) as refused:
        await session.sign_in(email, "another long password")
    assert refused.value.code == ErrorCode.INVALID_CREDENTIALS
    await session.sign_in(email, PASSWORD)
    return session


@pytest.fixture
def client(site: Site, session: Session, http: httpx.AsyncClient) -> Fabula:
    return Fabula(site.url + "/graphql", credentials=session, http=http)


async def new_chapter(client: Fabula) -> str:
    made = (await client.project_create(ProjectCreateInput(title="Lanterns"))).project_create
    check(made)
    assert made.project
    chapter = (
        await client.chapter_create(ChapterCreateInput(project_id=made.project.id, title="One"))
    ).chapter_create.chapter
    assert chapter
    chapter_id: str = chapter.id
    return chapter_id


async def start(client: Fabula, instructions: str) -> tuple[str, JobId]:
    """(the generation's id, its job)."""
    started = (
        await client.chapter_generate(
            ChapterGenerateInput(
                chapter_id=await new_chapter(client), instructions=instructions, idempotency_key=secrets.token_hex(8)
            )
        )
    ).chapter_generate
    assert started.typename__ == "GenerationStarted"
    return started.generation.id, JobId(decode_id("Job", started.generation.job.id))


async def tenant_of(client: Fabula) -> TenantId:
    return TenantId(decode_id("Tenant", (await client.me()).me.tenant.id))


# -- reading ---------------------------------------------------------------------------------------------------------


async def test_pages_of_projects_join_without_a_gap(client: Fabula) -> None:
    for number in range(5):
        check((await client.project_create(ProjectCreateInput(title=f"Novel {number}"))).project_create)
    titles: list[str] = []
    after, sizes = None, []
    while True:
        page = (await client.projects(first=2, after=after, filter_=ProjectFilter(title_contains="Novel"))).projects
        sizes.append(len(page.edges))
        titles += [edge.node.title for edge in page.edges]
        if not page.page_info.has_next_page:
            break
        after = page.page_info.end_cursor
    assert sizes == [2, 2, 1]
    assert sorted(titles) == [f"Novel {number}" for number in range(5)]


async def test_dates_and_money_are_values(client: Fabula) -> None:
    wallet = (await client.wallet()).wallet
    assert (str(wallet.available.amount), wallet.available.currency) == ("5", "USD")
    made = (await client.project_create(ProjectCreateInput(title="Dated"))).project_create.project
    assert made
    assert abs((datetime.now(UTC) - made.created_at).total_seconds()) < 60


async def test_a_request_carries_the_hash_and_never_the_text(client: Fabula, wire: Recorder) -> None:
    await client.me()
    assert f'"documentId":"{manifest()["Me"].hash}"' in wire.bodies[-1]
    assert "query" not in wire.bodies[-1]


async def test_a_server_that_does_not_know_a_hash_is_sent_the_text_once(
    client: Fabula, wire: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = replace(manifest()["Me"], hash="sha256:" + "0" * 64)
    monkeypatch.setitem(manifest(), "Me", stranger)
    before = len(wire.bodies)
    first, second = await client.me(), await client.me()
    assert first == second
    sent = ["documentId" if "documentId" in body else "query" for body in wire.bodies[before:]]
    assert sent == ["documentId", "query", "query"]


async def test_a_top_level_error_has_its_code_and_request_id(client: Fabula) -> None:
    with pytest.raises(RequestRefused) as refused:
        await client.projects(after="garbage")
    assert refused.value.code == "BAD_USER_INPUT"
    assert refused.value.request_id


# -- credentials -----------------------------------------------------------------------------------------------------


async def test_a_refused_access_token_is_renewed_once_for_all_who_meet_it(
    site: Site, client: Fabula, session: Session, wire: Recorder
) -> None:
    assert session._tokens
    session._tokens = replace(session._tokens, access_token="no token at all")
    answers = await asyncio.gather(*(client.me() for _ in range(5)))
    assert len({answer.me.user.id for answer in answers}) == 1
    assert sum(manifest()["Refresh"].hash in body for body in wire.bodies) == 1


async def test_a_token_about_to_expire_is_renewed_before_it_is_sent(
    client: Fabula, session: Session, wire: Recorder
) -> None:
    assert session._tokens
    session._tokens = replace(session._tokens, access_token_expires_at=datetime.now(UTC))
    await client.me()
    assert manifest()["Refresh"].hash in wire.bodies[-2]
    assert manifest()["Me"].hash in wire.bodies[-1]


async def test_a_session_that_was_signed_out_is_unauthenticated(client: Fabula, session: Session) -> None:
    await session.sign_out()
    with pytest.raises(Unauthenticated):
        await client.me()


async def test_a_token_that_is_none_ends_a_watch_at_once(site: Site) -> None:
    client = Fabula(site.url + "/graphql", credentials=ApiToken("fab_nonsense"))
    with pytest.raises(Unauthenticated):
        await client.finished("any")
    await client.aclose()


# -- watching --------------------------------------------------------------------------------------------------------


async def test_a_watch_through_connections_that_break_has_every_piece_once(
    site: Site, session: Session, client: Fabula, http: httpx.AsyncClient, runtime: Runtime
) -> None:
    generation_id, job_id = await start(client, "[demo:chunks=60 delay_ms=20]")
    port = urlsplit(site.url).port
    assert port
    async with Line(port) as line:
        through = Fabula(
            site.url + "/graphql", ws_url=f"ws://127.0.0.1:{line.port}/graphql", credentials=session, http=http
        )
        writing = asyncio.create_task(run_job(runtime, await tenant_of(client), job_id))
        pieces, cuts, last = "", 0, None
        async for watched in through.watch_generation(generation_id):
            last = watched
            if isinstance(watched.event, TextDelta):
                pieces += watched.event.text
                assert watched.state.text == pieces
                if len(pieces) > 60 * (cuts + 1) and cuts < 3:
                    cuts += 1
                    line.cut()
        await writing
    assert cuts == 3
    assert last is not None
    assert isinstance(last.event, GenerationCompleted)
    assert last.event.version
    assert pieces == last.event.version.text == last.state.text
    stored: Any = (await client.generation(generation_id)).generation
    assert pieces == stored.text


async def test_a_state_that_was_kept_goes_on_where_it_stopped(client: Fabula, runtime: Runtime) -> None:
    generation_id, job_id = await start(client, "[demo:chunks=40 delay_ms=0]")
    await run_job(runtime, await tenant_of(client), job_id)
    kept = None
    async for watched in client.watch_generation(generation_id):
        if isinstance(watched.event, TextDelta):
            kept = watched.state
            break
    assert kept is not None
    events = [watched async for watched in client.watch_generation(generation_id, state=kept)]
    assert all(watched.state.seq > kept.seq for watched in events)
    whole = await client.finished(generation_id)
    assert events[-1].state.text == whole.text
    assert isinstance(whole.terminal, GenerationCompleted)


async def test_any_job_can_be_watched_to_its_end(client: Fabula, runtime: Runtime) -> None:
    _, job_id = await start(client, "[demo:chunks=3 delay_ms=0]")
    await run_job(runtime, await tenant_of(client), job_id)
    job = (await client.jobs(first=1)).jobs.edges[0].node
    events = [event async for event in client.watch_job(job.id)]
    assert events[-1].typename__ == "GenerationCompleted"
    assert [event.seq for event in events] == sorted({event.seq for event in events})


async def test_another_tenants_generation_is_refused_and_not_retried(site: Site, client: Fabula) -> None:
    generation_id, _ = await start(client, "")
    stranger = Fabula(site.url + "/graphql", credentials=ApiToken((await site.tenant()).access_token))
    with pytest.raises(RequestRefused) as refused:
        await stranger.finished(generation_id)
    assert refused.value.code == "NOT_FOUND"
    await stranger.aclose()
