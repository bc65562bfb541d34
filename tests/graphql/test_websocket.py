"""graphql-transport-ws as its specification reads, message by message and close code by close code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from app.graphql.gate import Gate
from app.settings import Limits, Settings
from domain.accounts import Role
from domain.ids import new_id
from schema.ids import encode_id
from tests.conftest import opened_site
from tests.documents import EVENTS
from tests.graphql.clients import PROTOCOL, Person, Site, Ws
from tests.graphql.generations import start

HELLO = "{ __typename }"


@pytest.fixture
async def ws(site: Site) -> AsyncIterator[Ws]:
    """An acknowledged socket of nobody in particular."""
    async with site.socket() as one:
        await one.init()
        yield one


@pytest.fixture
async def generation(alice: Person) -> str:
    """One that waits: nobody works in this module."""
    return (await start(alice)).id


async def still_works(ws: Ws) -> None:
    await ws.subscribe("probe", HELLO)
    message = await ws.receive()
    assert (message["id"], message["type"], message["payload"]["data"]) == ("probe", "next", {"__typename": "Query"})
    assert await ws.receive() == {"id": "probe", "type": "complete"}


@pytest.mark.parametrize(
    "message",
    [
        "[]",
        "null",
        "5",
        '"ping"',
        "{}",
        '{"type": 5}',
        '{"type": null}',
        '{"type": "unknown"}',
        '{"type": "start", "id": "1"}',
        '{"type": "connection_ack"}',
        "{",
        "",
        "nonsense",
        '{"type": "subscribe", "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": 5, "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": null, "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": ["1"], "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": "1", "payload": null}',
        '{"type": "subscribe", "id": "1", "payload": "{ __typename }"}',
        '{"type": "subscribe", "id": "1", "payload": {}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 5}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": "x"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "operationName": 5}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "extensions": 5}}',
        '{"type": "complete"}',
        '{"type": "complete", "id": 5}',
        '{"type": "ping", "payload": 5}',
        '{"type": "pong", "payload": []}',
    ],
)
async def test_what_is_not_of_the_protocol_closes_the_socket_with_4400(ws: Ws, message: str) -> None:
    await ws.connection.send(message)
    assert await ws.closed() == 4400


@pytest.mark.parametrize("frame", [b"\xff\xfe", b"{"])
async def test_a_binary_frame_of_garbage_closes_with_4400(ws: Ws, frame: bytes) -> None:
    await ws.connection.send(frame)
    assert await ws.closed() == 4400


async def test_a_garbled_first_message_closes_with_4400(site: Site) -> None:
    async with site.socket() as one:
        await one.connection.send('{"type": "connection_init", "payload": 5}')
        assert await one.closed() == 4400


async def test_an_operation_before_the_acknowledgement_closes_with_4401(site: Site) -> None:
    async with site.socket() as one:
        await one.subscribe("1", HELLO)
        assert await one.closed() == 4401


@pytest.mark.parametrize("authorization", ["Bearer nonsense", "nonsense", "Bearer fab_00000000_AAAA"])
async def test_bad_credentials_close_with_4401(site: Site, authorization: str) -> None:
    async with site.socket() as one:
        await one.send(type="connection_init", payload={"authorization": authorization})
        assert await one.closed() == 4401


async def test_a_tenant_one_does_not_belong_to_closes_with_4401(alice: Person, bob: Person) -> None:
    async with alice.site.socket() as one:
        payload = {"authorization": alice.authorization, "tenant": bob.tenant_gid}
        await one.send(type="connection_init", payload=payload)
        assert await one.closed() == 4401


async def test_an_expired_token_closes_with_4403(alice: Person) -> None:
    async with alice.site.socket() as one:
        await one.send(type="connection_init", payload={"authorization": f"Bearer {alice.short_lived(-1)}"})
        assert await one.closed() == 4403


async def test_a_token_that_expires_on_the_way_closes_with_4403(alice: Person, generation: str) -> None:
    async with alice.site.socket() as one:
        await one.init(authorization=f"Bearer {alice.short_lived(1.5)}")
        await one.subscribe("1", EVENTS, id=generation)
        began = asyncio.get_running_loop().time()
        assert await one.closed(timeout_s=5) == 4403
        assert 0.4 < asyncio.get_running_loop().time() - began < 3.5


async def test_a_second_initialisation_closes_with_4429(ws: Ws) -> None:
    await ws.send(type="connection_init", payload={})
    assert await ws.closed() == 4429


async def test_a_second_initialisation_before_the_first_is_answered_closes_with_4429(alice: Person) -> None:
    async with alice.site.socket() as one:
        for _ in range(2):
            await one.send(type="connection_init", payload={"authorization": alice.authorization})
        assert await one.closed() == 4429


async def test_an_id_in_use_closes_with_4409(alice: Person, generation: str) -> None:
    async with alice.socket() as one:
        await one.subscribe("1", EVENTS, id=generation)
        await one.subscribe("1", HELLO)
        assert await one.closed() == 4409


async def test_an_id_is_free_again_once_its_operation_has_ended(alice: Person, generation: str) -> None:
    async with alice.socket() as one:
        await one.subscribe("1", HELLO)
        assert (await one.receive())["type"] == "next"
        assert await one.receive() == {"id": "1", "type": "complete"}
        await one.subscribe("1", EVENTS, id=generation)
        await one.send(id="1", type="complete")
        await one.subscribe("1", HELLO)
        assert (await one.receive())["payload"]["data"] == {"__typename": "Query"}


@pytest.mark.parametrize("protocols", [(), ("graphql-ws",), ("soap", "mqtt")])
async def test_another_subprotocol_closes_with_4406(site: Site, protocols: tuple[str, ...]) -> None:
    async with site.socket(protocols=protocols) as one:
        assert await one.closed() == 4406


async def test_ours_is_picked_among_many_subprotocols(site: Site) -> None:
    async with site.socket(protocols=("graphql-ws", PROTOCOL)) as one:
        assert one.connection.subprotocol == PROTOCOL


@pytest.fixture(scope="module")
async def impatient(settings: Settings) -> AsyncIterator[Site]:
    limits = Limits(ws_init_timeout_s=0.2, connection_subscriptions_max=3)
    async with opened_site(settings.model_copy(update={"limits": limits})) as one:
        yield one


async def test_a_socket_without_initialisation_closes_with_4408(impatient: Site) -> None:
    async with impatient.socket() as one:
        await one.send(type="ping")
        assert await one.receive() == {"type": "pong"}
        assert await one.closed() == 4408


async def test_a_socket_that_was_initialised_stays(impatient: Site) -> None:
    async with impatient.socket() as one:
        await one.init()
        await asyncio.sleep(0.4)
        await still_works(one)


async def test_a_message_over_the_limit_closes_with_1009(ws: Ws) -> None:
    limit = Limits().ws_message_bytes_max
    frame = len(json.dumps({"type": "ping", "payload": {"x": ""}}))
    await ws.send(type="ping", payload={"x": "x" * (limit - frame)})
    assert (await ws.receive())["type"] == "pong"
    await ws.send(type="ping", payload={"x": "x" * (limit - frame + 1)})
    assert await ws.closed() == 1009


async def test_a_server_that_goes_away_closes_with_1012(settings: Settings) -> None:
    async with opened_site(settings) as site:
        opened = site.socket()
        one = await opened.__aenter__()
        await one.init()
    assert await one.closed() == 1012
    await opened.__aexit__(None, None, None)


async def test_pings_are_answered_with_what_they_carry_at_any_time(site: Site) -> None:
    async with site.socket() as one:
        await one.send(type="ping")
        assert await one.receive() == {"type": "pong"}
        await one.send(type="ping", payload={"a": [1, None, "ü"]})
        assert await one.receive() == {"type": "pong", "payload": {"a": [1, None, "ü"]}}
        await one.send(type="pong", payload={"unasked": True})
        await one.init()
        await still_works(one)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("", "BAD_REQUEST"),
        ("query A { __typename } query B { __typename }", "BAD_REQUEST"),
        ("query ($id: ID!) { node(id: $id) { id } }", "BAD_USER_INPUT"),
    ],
)
async def test_an_operation_that_cannot_run_ends_alone(ws: Ws, query: str, code: str) -> None:
    await ws.subscribe("1", query)
    message = await ws.receive()
    assert (message["id"], message["type"]) == ("1", "error")
    [error] = message["payload"]
    assert error["extensions"]["code"] == code
    assert error["extensions"]["requestId"]
    await still_works(ws)


async def test_what_nobody_foresaw_is_masked_and_ends_the_operation_alone(
    ws: Ws, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> Any:
        raise ValueError("hunter2")

    with monkeypatch.context() as patch:
        patch.setattr(Gate, "run", broken)
        await ws.subscribe("1", "{ __typename }")
        answer = await ws.receive()
    assert (answer["id"], answer["type"]) == ("1", "error")
    [error] = answer["payload"]
    assert (error["message"], error["extensions"]["code"]) == ("Internal error", "INTERNAL_ERROR")
    assert "hunter2" in caplog.text
    await still_works(ws)


async def test_a_partial_answer_is_an_answer(alice: Person) -> None:
    async with alice.socket() as one:
        await one.subscribe("1", '{ good: __typename node(id: "garbage") { id } }')
        message = await one.receive()
        assert message["type"] == "next"
        assert message["payload"]["data"] == {"good": "Query", "node": None}
        assert message["payload"]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert await one.receive() == {"id": "1", "type": "complete"}


async def test_queries_and_mutations_run_over_the_socket(alice: Person) -> None:
    async with alice.socket() as one:
        await one.subscribe(
            "m", "mutation ($t: String!) { projectCreate(input: {title: $t}) { project { title } } }", t="Over WS"
        )
        assert [answer async for answer in one.events("m")] == [{"project": {"title": "Over WS"}}]


async def test_many_operations_share_a_socket_and_each_ends_by_itself(alice: Person, generation: str) -> None:
    async with alice.socket() as one:
        for number in range(10):
            await one.subscribe(f"s{number}", EVENTS, id=generation)
        await still_works(one)
        for number in range(10):
            await one.send(id=f"s{number}", type="complete")
        await still_works(one)
    assert alice.site.api.hub.watchers == 0 or await _soon_unwatched(alice.site)


async def _soon_unwatched(site: Site) -> bool:
    async with asyncio.timeout(5):
        while site.api.hub.watchers:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    return True


async def test_a_connection_has_so_many_operations_and_no_more(impatient: Site) -> None:
    person = await impatient.tenant()
    waiting = (await start(person)).id
    async with person.socket() as one:
        for number in range(4):
            await one.subscribe(f"{number}", EVENTS, id=waiting)
        message = await one.receive()
        assert (message["id"], message["type"]) == ("3", "error")
        assert message["payload"][0]["extensions"]["code"] == "LIMIT_REACHED"
        await one.send(id="0", type="complete")
        await still_works(one)


async def test_nobody_may_connect_and_ask_what_everybody_may(ws: Ws) -> None:
    await still_works(ws)
    await ws.subscribe("1", "{ me { role } }")
    message = await ws.receive()
    assert message["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await ws.receive() == {"id": "1", "type": "complete"}
    await ws.subscribe("2", EVENTS, id=encode_id("Generation", new_id()))
    message = await ws.receive()
    assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "UNAUTHENTICATED")
    await still_works(ws)


async def test_the_tenant_is_chosen_in_the_first_message(site: Site, alice: Person) -> None:
    both = await site.tenant()
    await site.also_in(both, alice, Role.VIEWER)
    async with both.socket(tenant=alice.tenant_gid) as one:
        await one.subscribe("1", "{ me { role tenant { id } } }")
        assert [answer async for answer in one.events("1")] == [{"role": "VIEWER", "tenant": {"id": alice.tenant_gid}}]


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"id": "garbage"}, "BAD_USER_INPUT"),
        ({"id": "own", "after": "garbage"}, "BAD_USER_INPUT"),
        ({"id": "own", "after": ""}, "BAD_USER_INPUT"),
        ({"id": "tenant"}, "BAD_USER_INPUT"),
    ],
)
async def test_a_subscription_that_is_refused_says_why_and_ends_alone(
    alice: Person, generation: str, variables: dict[str, Any], code: str
) -> None:
    ids = {"own": generation, "tenant": alice.tenant_gid, "garbage": "garbage"}
    async with alice.socket() as one:
        await one.subscribe("1", EVENTS, **variables | {"id": ids[variables["id"]]})
        message = await one.receive()
        assert (message["id"], message["type"]) == ("1", "error")
        assert [error["extensions"]["code"] for error in message["payload"]] == [code]
        await still_works(one)


async def test_a_page_of_another_origin_cannot_open_a_socket(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with site.socket(origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    async with site.socket(origin="http://localhost:5173") as one:
        await one.init()
        await still_works(one)


async def test_a_client_that_vanishes_leaves_nothing_behind(alice: Person, generation: str) -> None:
    async with alice.socket() as one:
        for number in range(5):
            await one.subscribe(f"{number}", EVENTS, id=generation)
        await still_works(one)
        async with asyncio.timeout(5):
            while alice.site.api.hub.watchers < 5:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)
        one.connection.transport.abort()
        assert await _soon_unwatched(alice.site)
