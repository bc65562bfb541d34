"""Who is shown the schema, and who is helped with its names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from graphql import get_introspection_query

from app.settings import Settings
from domain.accounts import Role
from tests.conftest import opened_site
from tests.graphql.clients import Site

HELLO = "{ __typename }"


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
        await ws.works()


async def test_the_schema_is_refused_over_a_socket_and_a_stream_as_well(public: Site) -> None:
    async with public.socket() as ws:
        await ws.init()
        await ws.subscribe("1", ASKING[1])
        assert await ws.code_of("1") == "INTROSPECTION_DISABLED"
        await ws.works()
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


async def test_the_schema_can_be_asked_for(site: Site) -> None:
    from graphql import get_introspection_query

    answer = (await site.post(get_introspection_query(input_value_deprecation=True))).json()
    assert answer["data"]["__schema"]["queryType"]["name"] == "Query"
