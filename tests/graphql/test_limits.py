"""What one client may ask: each limit at its edge, with the code that refuses one more."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from graphql import get_introspection_query
from sqlalchemy import text

from app.settings import Limits, Settings
from domain.accounts import Role
from domain.ids import new_id
from persistence.database import Database
from persistence.projects.store import SqlProjects
from schema.ids import encode_id
from tests.conftest import opened_site
from tests.documents import EVENTS, GENERATE
from tests.graphql.clients import Person, Site, Ws, eventually

HELLO = "{ __typename }"
NODE = "query ($id: ID!) { node(id: $id) { id } }"


async def waiting_generation(person: Person) -> str:
    """One that goes on for ever: nobody works in this module."""
    project = (await person.mutate("projectCreate", "project { id }", title="T"))["project"]["id"]
    chapter = (await person.mutate("chapterCreate", "chapter { id }", projectId=project, title="1"))["chapter"]["id"]
    return str((await person(GENERATE, chapterId=chapter, key=chapter))["generation"]["id"])


async def code_of(ws: Ws, id_: str) -> str:
    """The code of the error that ends an operation."""
    while (message := await ws.receive())["id"] != id_:
        pass
    assert message["type"] == "error", message
    return str(message["payload"][0]["extensions"]["code"])


async def works(ws: Ws) -> None:
    """Every operation before this one has begun."""
    await ws.subscribe("probe", HELLO)
    while (message := await ws.receive())["id"] != "probe":
        assert message["type"] == "next", message
    assert (await ws.receive())["type"] == "complete"


# -- documents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["{ __typename %s }", "query %s { __typename }", "{ ...F } fragment F on Query %s { __typename }"]
)
async def test_so_many_directives_may_stand_in_one_place_and_no_more(alice: Person, place: str) -> None:
    most = Limits().query_directives_max
    within, beyond = [await alice.ask(place % ("@skip(if: false) " * count)) for count in (most, most + 1)]
    codes = {error["extensions"]["code"] for error in within["errors"]}
    assert codes == {"GRAPHQL_VALIDATION_FAILED"}  # none of ours may be repeated, but they are not too many
    assert [error["extensions"]["code"] for error in beyond["errors"]] == ["COST_LIMIT_EXCEEDED"]


async def test_introspection_may_go_deeper_than_data(alice: Person) -> None:
    nested = "{ __schema { types { fields { type { %s } } } } }"
    deep = "name"
    for _ in range(Limits().query_depth_max):
        deep = f"ofType {{ {deep} }}"
    assert "errors" not in await alice.ask(nested % deep)


# -- streams and connections -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def narrow(settings: Settings) -> AsyncIterator[Site]:
    limits = Limits(user_subscriptions_max=3, user_connections_max=2)
    async with opened_site(settings.model_copy(update={"limits": limits})) as one:
        yield one


async def test_a_connection_carries_fifty_subscriptions_and_no_more(alice: Person) -> None:
    generation, most = await waiting_generation(alice), Limits().connection_subscriptions_max
    async with alice.socket() as ws:
        for number in range(most):
            await ws.subscribe(str(number), EVENTS, id=generation)
        await ws.subscribe("one more", EVENTS, id=generation)
        assert await code_of(ws, "one more") == "LIMIT_REACHED"
        await ws.send(id="0", type="complete")
        await works(ws)


async def test_a_user_has_so_many_subscriptions_over_all_transports(narrow: Site) -> None:
    person = await narrow.tenant()
    generation = await waiting_generation(person)
    sse = narrow.sse(EVENTS, {"id": generation}, authorization=person.authorization)
    async with person.socket() as one, person.socket() as other, contextlib.AsyncExitStack() as stream:
        await one.subscribe("1", EVENTS, id=generation)
        await one.subscribe("2", EVENTS, id=generation)
        await works(one)
        await stream.enter_async_context(sse)
        await eventually(lambda: _watched(narrow, 3), "three streams are watched")
        await other.subscribe("4", EVENTS, id=generation)
        assert await code_of(other, "4") == "LIMIT_REACHED"
        async with narrow.sse(EVENTS, {"id": generation}, authorization=person.authorization) as events:
            told = [event async for event in events]
        assert [name for name, _ in told] == ["next", "complete"]
        assert told[0][1]["errors"][0]["extensions"]["code"] == "LIMIT_REACHED"
        await one.send(id="1", type="complete")
        await eventually(lambda: _watched(narrow, 2), "one of them has ended")
        await other.subscribe("5", EVENTS, id=generation)
        await eventually(lambda: _watched(narrow, 3), "another takes its place")


async def _watched(site: Site, count: int) -> bool:
    return site.api.hub.watchers == count


async def test_the_subscriptions_of_one_user_leave_room_for_those_of_another(narrow: Site) -> None:
    for _ in range(2):
        person = await narrow.tenant()
        generation = await waiting_generation(person)
        async with person.socket() as ws:
            for number in range(3):
                await ws.subscribe(str(number), EVENTS, id=generation)
            await works(ws)


async def test_a_user_has_so_many_connections_and_one_that_closes_makes_room(narrow: Site) -> None:
    person = await narrow.tenant()
    async with person.socket():
        async with person.socket(), narrow.socket() as third:
            await third.send(type="connection_init", payload={"authorization": person.authorization})
            assert await third.closed() == 1013

        async def admitted() -> bool:
            async with narrow.socket() as again:
                await again.send(type="connection_init", payload={"authorization": person.authorization})
                with contextlib.suppress(Exception):
                    return bool((await again.receive())["type"] == "connection_ack")
            return False

        assert await eventually(admitted, "the place of the closed connection is free")


# -- time ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def hasty(settings: Settings) -> AsyncIterator[Site]:
    limits = Limits(query_timeout_s=0.3, mutation_timeout_s=0.3)
    async with opened_site(settings.model_copy(update={"limits": limits})) as one:
        yield one


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a project that PostgreSQL takes half a minute to look for, whoever writes the statement."""
    project_id, shaped = new_id(), Database.shaped

    async def slowly(self: Database, tenant_id: Any, asked: Any, **values: Any) -> Any:
        if project_id in (*values.values(), *values.get("ids", ())):
            await self._fetch("select pg_sleep(30)", [])
        return await shaped(self, tenant_id, asked, **values)

    monkeypatch.setattr(Database, "shaped", slowly)
    return encode_id("Project", project_id)


async def run_in(person: Person, query: str) -> None:
    """Ask it often enough that it runs the way it will run from then on."""
    for _ in range(3):
        await person.ask(query, id=person.tenant_gid)


async def statements(admin: Database) -> int:
    """How many slow statements PostgreSQL runs now."""
    async with admin.engine.connect() as connection:
        return int(
            await connection.scalar(
                text(
                    "select count(*) from pg_stat_activity where state = 'active' and datname = current_database() "
                    "and query like '%pg_sleep%' and pid <> pg_backend_pid()"
                )
            )
        )


async def runs(admin: Database) -> None:
    async def running() -> bool:
        return await statements(admin) == 1

    await eventually(running, "the statement runs")


async def ended(admin: Database) -> None:
    async def silent() -> bool:
        return await statements(admin) == 0

    await eventually(silent, "the statement has been ended", timeout_s=1.0)


async def test_the_statement_of_a_query_that_takes_too_long_is_ended_with_it(
    hasty: Site, admin: Database, slow: str
) -> None:
    person = await hasty.tenant()
    await run_in(person, NODE)
    asking = asyncio.create_task(person.ask(NODE, id=slow))
    await runs(admin)
    answer = await asking
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["TIMEOUT"]
    assert answer["extensions"]["cost"]["actual"] == answer["extensions"]["cost"]["requested"] == 1
    await ended(admin)
    assert await person("{ me { role } }") == {"role": "OWNER"}


async def test_the_statements_of_an_answer_that_has_failed_end_with_it(
    alice: Person, admin: Database, slow: str
) -> None:
    query = 'query ($id: ID!) { node(id: $id) { id } slow: nodes(ids: [$id]) { id } search(query: " ") { edges { cursor } } }'
    await run_in(alice, query)
    began = asyncio.get_running_loop().time()
    answer = await alice.ask(query, id=slow)
    assert (answer["data"], answer["errors"][0]["path"]) == (None, ["search"])
    assert asyncio.get_running_loop().time() - began < 5
    await ended(admin)


async def test_a_mutation_has_a_time_limit_of_its_own(
    hasty: Site, admin: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await hasty.tenant()
    monkeypatch.setattr(Database, "shaped", lambda self, *_, **__: self._fetch("select pg_sleep(30)", []))
    answer = await person.ask('mutation { projectCreate(input: {title: "x"}) { project { id } } }')
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["TIMEOUT"]
    assert answer["errors"][0]["message"] == "The mutation took longer than 0.3 s."
    await ended(admin)


async def hang_up_http(person: Person, query: str, variables: dict[str, Any], accept: str) -> Callable[[], None]:
    """Send a request over a connection of its own; the returned function drops it."""
    body = orjson.dumps({"query": query, "variables": variables})
    host, port = str(urlsplit(person.site.url).netloc).split(":")
    head = (
        f"POST /graphql HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\naccept: {accept}\r\n"
        f"authorization: {person.authorization}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    line = socket.create_connection((host, int(port)))
    line.setblocking(False)
    await asyncio.get_running_loop().sock_sendall(line, head.encode() + body)
    return line.close


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_the_statement_of_a_client_that_hangs_up_is_ended(
    alice: Person, admin: Database, slow: str, accept: str
) -> None:
    await run_in(alice, NODE)
    hang_up = await hang_up_http(alice, NODE, {"id": slow}, accept)
    await runs(admin)
    hang_up()
    await ended(admin)
    assert await alice("{ me { role } }") == {"role": "OWNER"}


@pytest.mark.parametrize("how", ["complete", "vanish"])
async def test_the_statement_of_an_operation_that_is_given_up_over_a_socket_is_ended(
    alice: Person, admin: Database, slow: str, how: str
) -> None:
    await run_in(alice, NODE)
    async with alice.socket() as ws:
        await ws.subscribe("1", NODE, id=slow)
        await runs(admin)
        if how == "complete":
            await ws.send(id="1", type="complete")
        else:
            ws.connection.transport.abort()
        await ended(admin)


async def test_a_mutation_goes_on_when_its_client_hangs_up(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    add = SqlProjects.add

    async def slowly(self: Any, *given: Any) -> Any:
        begun.set()
        await may_end.wait()
        return await add(self, *given)

    monkeypatch.setattr(SqlProjects, "add", slowly)
    query = 'mutation { projectCreate(input: {title: "Written all the same"}) { project { id } } }'
    hang_up = await hang_up_http(alice, query, {}, "application/json")
    await asyncio.wait_for(begun.wait(), 5)
    hang_up()
    await asyncio.sleep(0.3)  # longer than it takes until a query would be watched, and ended
    may_end.set()

    async def written() -> bool:
        found = await alice('{ projects(filter: {titleContains: "all the same"}) { edges { node { id } } } }')
        return len(found["edges"]) == 1

    await eventually(written, "the project is there")


# -- who is shown the schema -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def public(settings: Settings) -> AsyncIterator[Site]:
    """As it stands on the internet."""
    async with opened_site(settings.model_copy(update={"introspection": "developers"})) as one:
        yield one


ASKING = [
    get_introspection_query(),
    '{ __type(name: "Project") { name } }',
    "{ ...F } fragment F on Query { __schema { description } }",
]


@pytest.mark.parametrize("query", ASKING)
async def test_the_schema_is_shown_to_developers_only(public: Site, query: str) -> None:
    owner = await public.tenant()
    member = await public.member(owner, Role.AUTHOR)
    nobody = (await public.post(query)).json()
    assert "errors" not in await owner.ask(query)
    assert await member.code(query) == "INTROSPECTION_DISABLED"
    assert [error["extensions"]["code"] for error in nobody["errors"]] == ["INTROSPECTION_DISABLED"]
    assert "data" not in nobody


async def test_a_token_needs_the_scope_of_developers(public: Site) -> None:
    owner = await public.tenant()
    for scopes, shown in ((["read"], False), (["read", "developer"], True)):
        made = await owner.mutate("apiTokenCreate", "token", name="x", scopes=scopes)
        answer = await owner.with_token(made["token"]).ask(ASKING[1])
        assert ("data" in answer) is shown, answer


async def test_a_typename_is_nobodys_secret(public: Site) -> None:
    assert (await public.post(HELLO)).json()["data"] == {"__typename": "Query"}
    async with public.socket() as ws:
        await ws.init()
        await works(ws)


async def test_the_schema_is_refused_over_a_socket_and_a_stream_as_well(public: Site) -> None:
    async with public.socket() as ws:
        await ws.init()
        await ws.subscribe("1", ASKING[1])
        assert await code_of(ws, "1") == "INTROSPECTION_DISABLED"
        await works(ws)
    async with public.sse(ASKING[1], {}) as events:
        told = [event async for event in events]
    assert told[0][1]["errors"][0]["extensions"]["code"] == "INTROSPECTION_DISABLED"


MISSPELT = [
    ("{ projects { edges { node { titel } } } }", {}, "Cannot query field 'titel' on type 'Project'."),
    ("{ project { edges { cursor } } }", {}, "Cannot query field 'project' on type 'Query'."),
    ("{ projects(frist: 5) { edges { cursor } } }", {}, "Unknown argument 'frist' on field 'Query.projects'."),
    (
        "query ($o: ProjectOrder) { projects(orderBy: $o) { edges { cursor } } }",
        {"o": {"field": "TITEL", "direction": "ASC"}},
        None,
    ),
]


@pytest.mark.parametrize(("query", "variables", "message"), MISSPELT)
async def test_suggestions_are_for_developers_only(
    public: Site, query: str, variables: dict[str, Any], message: str | None
) -> None:
    owner = await public.tenant()
    member = await public.member(owner, Role.AUTHOR)
    helped, told = await owner.ask(query, **variables), await member.ask(query, **variables)
    assert "Did you mean" in helped["errors"][0]["message"]
    shown = told["errors"][0]["message"]
    assert "Did you mean" not in shown
    assert message is None or shown == message
    async with member.socket() as ws:
        await ws.subscribe("1", query, **variables)
        assert (await ws.receive())["payload"][0]["message"] == shown


async def test_the_schema_can_be_shown_to_nobody(settings: Settings) -> None:
    async with opened_site(settings.model_copy(update={"introspection": "nobody"})) as site:
        assert await (await site.tenant()).code(ASKING[1]) == "INTROSPECTION_DISABLED"


# -- pages of other sites --------------------------------------------------------------------------------------------

MUTATION = 'mutation { projectCreate(input: {title: "Forged"}) { project { id } } }'


def _plain(person: Person) -> list[dict[str, Any]]:
    """Every kind of request that a page can send anywhere without asking first."""
    query, body = {"query": MUTATION}, orjson.dumps({"query": MUTATION})
    simple = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
              "text/plain; application/json", "text/plain;charset=UTF-8, application/json"]  # fmt: skip
    return [
        {"method": "GET", "params": query},
        {"method": "HEAD", "params": query},
        {"method": "POST", "params": query},
        {"method": "POST", "data": query},
        {"method": "POST", "files": {"operations": (None, body)}},
        {"method": "POST", "content": body},
        *({"method": "POST", "content": body, "headers": {"content-type": one}} for one in simple),
    ]


@pytest.mark.parametrize("number", range(11))
async def test_a_request_that_needs_no_preflight_runs_nothing(alice: Person, number: int) -> None:
    request = _plain(alice)[number]
    headers = {"authorization": alice.authorization, **request.pop("headers", {})}
    response: httpx.Response = await alice.site.http.request(url="/graphql", headers=headers, **request)
    assert response.status_code in {400, 405, 415}
    assert await alice('{ projects(filter: {titleContains: "Forged"}) { edges { node { id } } } }') == {"edges": []}


# -- going away ------------------------------------------------------------------------------------------------------


async def test_a_stream_ends_without_completing_when_the_server_goes_away(settings: Settings) -> None:
    told: list[Any] = []

    async def follow(events: AsyncIterator[Any]) -> None:
        told.extend([event async for event in events])

    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        async with opened_site(settings) as site:
            person = await site.tenant()
            generation = await waiting_generation(person)
            site.http, kept = client, site.http
            client.base_url = kept.base_url
            opened = site.sse(EVENTS, {"id": generation}, authorization=person.authorization)
            following = asyncio.create_task(follow(await opened.__aenter__()))
            await eventually(lambda: _watched(site, 1), "the stream is watched")
            began = asyncio.get_running_loop().time()
        await asyncio.wait_for(following, 5)  # the body came to its proper end: no error
        assert asyncio.get_running_loop().time() - began < 2
        await opened.__aexit__(None, None, None)
    assert ("complete", None) not in told
