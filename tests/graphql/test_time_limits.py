"""How long an operation may take, and that its statement ends with it: by timeout, error, hang-up or cancel."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from sqlalchemy import text

from app.settings import Limits, Settings
from domain.ids import new_id
from persistence.database import Database
from persistence.projects.store import SqlProjects
from schema.ids import encode_id
from tests.conftest import opened_site
from tests.graphql.clients import Person, Site, eventually

NODE = "query ($id: ID!) { node(id: $id) { id } }"


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
