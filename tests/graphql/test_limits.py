"""What one client may ask: each limit at its edge, with the code that refuses one more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.settings import Limits, Settings
from tests.conftest import opened_site
from tests.documents import EVENTS
from tests.graphql.clients import Person, Site, eventually
from tests.graphql.generations import start, watched

# -- the size of a document ------------------------------------------------------------------------------------------


def nested(levels: int) -> str:
    """Chapters of projects of chapters ...: `levels` fields inside one another."""
    chain = ["node(id: $id)"]
    while len(chain) < levels:
        chain += ["chapters(first: 1)", "edges", "node", "project"]
    query = "id"
    for number in reversed(range(levels - 1)):
        field = chain[number]
        query = f"{field} {{ ... on Project {{ {query} }} }}" if number == 0 else f"{field} {{ {query} }}"
    # The last level is a leaf that every type on the way has: `__typename`.
    return f"query ($id: ID!) {{ {query.replace('{ id }', '{ __typename }')} }}"


LIMITS = Limits()


def aliased(count: int) -> str:
    return "{ " + " ".join(f"a{n}: __typename" for n in range(count)) + " }"


def tokens(count: int) -> str:
    listed = " ".join(["$id"] + ['"x"'] * (count - 22))
    return f"query ($id: ID!) {{ nodes(ids: [{listed}]) {{ id }} }}"


@pytest.mark.parametrize(
    ("make", "limit", "code"),
    [
        (nested, LIMITS.query_depth_max, "COST_LIMIT_EXCEEDED"),
        (aliased, LIMITS.query_aliases_max, "COST_LIMIT_EXCEEDED"),
        (tokens, LIMITS.query_tokens_max, "GRAPHQL_PARSE_FAILED"),
    ],
    ids=["depth", "aliases", "tokens"],
)
async def test_a_document_may_be_as_large_as_its_limit_and_no_larger(
    alice: Person, make: Any, limit: int, code: str
) -> None:
    id_ = (await alice.mutate("projectCreate", "project { id }", title="x"))["project"]["id"]
    within, beyond = await alice.ask(make(limit), id=id_), await alice.ask(make(limit + 1), id=id_)
    assert "data" in within, within
    assert [error["extensions"]["code"] for error in beyond["errors"]] == [code]
    assert "data" not in beyond


async def test_fragments_do_not_hide_depth_or_aliases(alice: Person) -> None:
    levels = "fragment P on Project { chapters { edges { node { project { ...Q } } } } } " + "".join(
        f"fragment {a} on Project {{ chapters {{ edges {{ node {{ project {{ ...{b} }} }} }} }} }} "
        for a, b in ("QR", "RS", "ST")
    )
    query = "query ($id: ID!) { node(id: $id) { ...P } } " + levels + "fragment T on Project { id }"
    assert await alice.code(query, id="x") == "COST_LIMIT_EXCEEDED"
    spread = "{ " + "...F " * 8 + "} fragment F on Query { a: __typename b: __typename }"
    assert await alice.code(spread) == "COST_LIMIT_EXCEEDED"


async def test_fragments_that_multiply_are_stopped_before_they_do(alice: Person) -> None:
    bomb = "{ ...F0 } " + "".join(
        f"fragment F{n} on Query {{ {f'...F{n + 1} ' * 12} }} " for n in range(7)
    ) + "fragment F7 on Query { __typename }"  # fmt: skip
    async with asyncio.timeout(3):
        assert await alice.code(bomb) == "COST_LIMIT_EXCEEDED"


async def test_a_fragment_that_contains_itself_is_refused(alice: Person) -> None:
    assert await alice.code("{ ...F } fragment F on Query { __typename ...F }") == "GRAPHQL_VALIDATION_FAILED"


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
    generation, most = (await start(alice)).id, Limits().connection_subscriptions_max
    async with alice.socket() as ws:
        for number in range(most):
            await ws.subscribe(str(number), EVENTS, id=generation)
        await ws.subscribe("one more", EVENTS, id=generation)
        assert await ws.code_of("one more") == "LIMIT_REACHED"
        await ws.send(id="0", type="complete")
        await ws.works()


async def test_a_user_has_so_many_subscriptions_over_all_transports(narrow: Site) -> None:
    person = await narrow.tenant()
    generation = (await start(person)).id
    sse = narrow.sse(EVENTS, {"id": generation}, authorization=person.authorization)
    async with person.socket() as one, person.socket() as other, contextlib.AsyncExitStack() as stream:
        await one.subscribe("1", EVENTS, id=generation)
        await one.subscribe("2", EVENTS, id=generation)
        await one.works()
        await stream.enter_async_context(sse)
        await eventually(lambda: watched(narrow, 3), "three streams are watched")
        await other.subscribe("4", EVENTS, id=generation)
        assert await other.code_of("4") == "LIMIT_REACHED"
        async with narrow.sse(EVENTS, {"id": generation}, authorization=person.authorization) as events:
            told = [event async for event in events]
        assert [name for name, _ in told] == ["next", "complete"]
        assert told[0][1]["errors"][0]["extensions"]["code"] == "LIMIT_REACHED"
        await one.send(id="1", type="complete")
        await eventually(lambda: watched(narrow, 2), "one of them has ended")
        await other.subscribe("5", EVENTS, id=generation)
        await eventually(lambda: watched(narrow, 3), "another takes its place")


async def test_the_subscriptions_of_one_user_leave_room_for_those_of_another(narrow: Site) -> None:
    for _ in range(2):
        person = await narrow.tenant()
        generation = (await start(person)).id
        async with person.socket() as ws:
            for number in range(3):
                await ws.subscribe(str(number), EVENTS, id=generation)
            await ws.works()


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
