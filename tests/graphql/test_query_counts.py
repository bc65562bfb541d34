"""A level of a query is one SQL statement, however many rows it has."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.settings import Settings
from persistence.database import Database
from tests.conftest import opened_site
from tests.graphql.clients import Person, Site
from tests.graphql.studio import populated
from workers.runtime import Runtime

THREE_DEEP = """{
  projects(first: 20) { edges { node {
    id title wordCount
    chapters(first: 10) { edges { node {
      id title currentVersion { wordCount }
      versions(first: 5) { edges { node { id number generation { state } } } pageInfo { hasNextPage } }
    } } }
  } } pageInfo { hasNextPage endCursor } }
}"""
FROM_THE_ISSUE = """{
  projects(first: 20) {
    edges { node { id title chapters(first: 10) { edges { node { id title wordCount } } } } }
    pageInfo { hasNextPage endCursor }
  }
}"""
EVERYTHING = """{
  jobs(first: 9) { edges { node { id state generation {
    state text attempts { number } usage { inputTokens } receipt { promptTokens } version { id }
    chapter { title project { title codexEntries(first: 5) { edges { node { relations(first: 5) { edges { node {
      from { name } to { name } } } } } } } outline { title chapter { id } } } }
  } } } }
}"""


GROW = (
    "insert into app.projects (tenant_id, id, title) select '{tenant}', gen_random_uuid(), 'P' "
    "from generate_series(1, {count})",
    "insert into app.outline_nodes (tenant_id, id, project_id, kind, title, position, path) "
    "select p.tenant_id, gen_random_uuid(), p.id, 'CHAPTER', 'C', n::text, n::text "
    "from app.projects p, generate_series(1, 3) as n where p.tenant_id = '{tenant}' and not exists ("
    "select 1 from app.outline_nodes o where o.tenant_id = p.tenant_id and o.project_id = p.id)",
    "insert into app.text_versions (tenant_id, id, node_id, number, text, word_count, origin, state) "
    "select o.tenant_id, gen_random_uuid(), o.id, n, 'text', 1, 'HUMAN', case n when 2 then 'CURRENT' else 'ARCHIVED' end "
    "from app.outline_nodes o, generate_series(1, 2) as n where o.tenant_id = '{tenant}' "
    "and o.current_version_id is null",
    "update app.outline_nodes o set current_version_id = v.id from app.text_versions v "
    "where o.tenant_id = '{tenant}' and v.tenant_id = o.tenant_id and v.node_id = o.id and v.state = 'CURRENT'",
)
"""Projects of three chapters of two versions each."""


async def grow(admin: Database, person: Person, projects: int) -> None:
    async with admin.engine.begin() as connection:
        for statement in GROW:
            await connection.execute(text(statement.format(tenant=person.tenant_id, count=projects)))


async def statements(site: Site, person: Person, query: str) -> int:
    """How many statements the answer took, without transaction control and the tenant's scope."""
    site.api.authenticator.forget()
    await person("{ me { role } }")  # so that who asks is known for a while
    before = site.api.database.statements
    answer = await person.ask(query)
    assert "errors" not in answer, answer
    return site.api.database.statements - before


@pytest.fixture(scope="module")
async def site(settings: Settings) -> AsyncIterator[Site]:
    """Where the executor answers, and not PostgreSQL alone."""
    async with opened_site(settings.model_copy(update={"sql_plans": False})) as one:
        yield one


async def test_what_postgresql_can_write_by_itself_is_one_statement(settings: Settings, admin: Database) -> None:
    async with opened_site(settings) as planned:
        person = await planned.tenant()
        await grow(admin, person, 2)
        assert [await statements(planned, person, FROM_THE_ISSUE) for _ in range(4)] == [2, 2, 1, 1]


@pytest.mark.parametrize(("query", "expected"), [(FROM_THE_ISSUE, 2), (THREE_DEEP, 5)])
async def test_a_query_takes_as_many_statements_for_two_projects_as_for_twenty(
    site: Site, admin: Database, query: str, expected: int
) -> None:
    person = await site.tenant()
    await grow(admin, person, 2)
    few = await statements(site, person, query)
    await grow(admin, person, 18)
    shown = await person(query)
    assert len(shown["edges"]) == 20
    assert {len(edge["node"]["chapters"]["edges"]) for edge in shown["edges"]} == {3}
    assert (few, await statements(site, person, query)) == (expected, expected)


async def test_every_relation_is_batched(site: Site, runtime: Runtime) -> None:
    counts = []
    for studios in (1, 3):
        person = await site.tenant()
        for _ in range(studios):
            await populated(person, runtime)
        counts.append(await statements(site, person, EVERYTHING))
    assert counts[0] == counts[1] == 13


async def test_asking_twice_for_the_same_thing_asks_the_database_once(
    site: Site, admin: Database, alice: Person
) -> None:
    await grow(admin, alice, 1)
    id_ = (await alice("{ projects { edges { node { id } } } }"))["edges"][0]["node"]["id"]
    query = '{ a: node(id: "%s") { ... on Project { title } } b: node(id: "%s") { ... on Project { genre } } }'
    assert await statements(site, alice, query % (id_, id_)) == 1


async def test_a_list_of_ids_of_many_kinds_is_one_statement_a_kind(site: Site, admin: Database, alice: Person) -> None:
    await grow(admin, alice, 2)
    found = await alice("{ projects(first: 2) { edges { node { id chapters { edges { node { id } } } } } } }")
    ids = [edge["node"]["id"] for edge in found["edges"]]
    ids += [inner["node"]["id"] for edge in found["edges"] for inner in edge["node"]["chapters"]["edges"]]
    query = f"{{ nodes(ids: {str(ids).replace(chr(39), chr(34))}) {{ id }} }}"
    assert await statements(site, alice, query) == 2
