"""What is deleted is gone: for readers, for search, and for what models were told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from app.relay import conversation_duties
from app.settings import Settings
from persistence.database import Database, create_engine
from persistence.operations.due import DueTenants
from persistence.unit_of_work import Units
from schema.ids import decode_id
from tests.graphql.clients import Person, Site
from tests.graphql.talks import begin, path_of, said, send
from workers.runtime import Runtime

FAST = "[demo:chunks=20 delay_ms=0]"
SECRET = "The password of the lamp room is swordfish."
HIT = 'query { messageSearch(query: "swordfish") { edges { node { message { id } } } } }'
SAYS = {
    "messages": "text || parts::text",
    "generations": "instructions || prompt::text || receipt::text || evidence::text",
    "attempts": "text",
    "conversations": "title || topic || summary",
}


async def left(admin: Database, person: Person) -> set[str]:
    """The tables in which it still stands."""
    found = set()
    for table, said_ in SAYS.items():
        query = text(f"select 1 from app.{table} where tenant_id = :t and {said_} like '%swordfish%'")
        if await admin.platform_rows(query.bindparams(t=person.tenant_id)):
            found.add(table)
    return found


@pytest.fixture
async def relay(settings: Settings) -> AsyncIterator[Database]:
    database = Database(create_engine(settings.database_relay_url.get_secret_value(), pool_size=2))
    yield database
    await database.close()


async def delete(person: Person, message: str) -> Any:
    return await person.mutate("messageDelete", "deletedId conversation { id activePath { id } }", id=message)


async def test_a_message_goes_with_everything_below_it(alice: Person, runtime: Runtime, admin: Database) -> None:
    talk = await begin(alice)
    await said(alice, runtime, talk, f"{FAST} One?")
    secret = await said(alice, runtime, talk, f"{FAST} {SECRET}")
    below = await said(alice, runtime, talk, f"{FAST} And what did I say?")
    shared = await alice.mutate("conversationShareCreate", "token", conversationId=talk)
    assert (await alice(HIT))["edges"] and await left(admin, alice) == {"messages", "generations", "attempts"}
    made = await delete(alice, secret["message"]["id"])
    assert made["userErrors"] == [] and made["deletedId"] == secret["message"]["id"]
    path = await path_of(alice, talk)
    assert [one["id"] for one in made["conversation"]["activePath"]] == [one["id"] for one in path]
    assert [one["role"] for one in path] == ["USER", "ASSISTANT"]
    assert await left(admin, alice) == set() and (await alice(HIT))["edges"] == []
    gone = "query($id: ID!) { node(id: $id) { id } }"
    for one in (secret, below):
        assert await alice(gone, id=one["message"]["id"]) is None
    tree = "query($id: ID!) { conversation(id: $id) { messages { edges { node { id } } } } }"
    assert len((await alice(tree, id=talk))["messages"]["edges"]) == 2
    export = "query($id: ID!) { conversationExport(id: $id, format: JSON) { text } }"
    assert "swordfish" not in (await alice(export, id=talk))["text"]
    opened = "query($token: String!) { sharedConversation(token: $token) { title } }"
    assert await alice(opened, token=shared["token"]) is None
    assert await alice.refusal("messageDelete", id=secret["message"]["id"]) == ("NOT_FOUND", ["input", "id"])
    accepted = await said(alice, runtime, talk, f"{FAST} On we go?")
    assert accepted["message"]["parentId"] == path[-1]["id"]


async def test_an_answer_may_go_and_its_question_stay(alice: Person, runtime: Runtime) -> None:
    talk = await begin(alice)
    first = await said(alice, runtime, talk, f"{FAST} One?")
    second = await said(alice, runtime, talk, f"{FAST} Two?")
    await delete(alice, second["generation"]["message"]["id"])
    *_, question = await path_of(alice, talk)
    assert (question["id"], question["siblingCount"]) == (second["message"]["id"], 1)
    beside = await said(alice, runtime, talk, f"{FAST} Two, again?")
    assert beside["message"]["parentId"] == first["generation"]["message"]["id"]
    question = (await path_of(alice, talk))[-2]
    assert (question["siblingCount"], question["siblingPlace"]) == (2, 2)
    await delete(alice, second["message"]["id"])
    assert (await path_of(alice, talk))[-2]["siblingCount"] == 1


async def test_nothing_is_deleted_while_something_of_it_is_written(alice: Person, bob: Person) -> None:
    talk = await begin(alice)
    waiting = await send(alice, talk, f"{FAST} One?")
    for id_ in (waiting["message"]["id"], waiting["generation"]["message"]["id"]):
        assert await alice.refusal("messageDelete", id=id_) == ("INVALID_STATE", ["input", "id"])
    assert await bob.refusal("messageDelete", id=waiting["message"]["id"]) == ("NOT_FOUND", ["input", "id"])
    assert len(await path_of(alice, talk)) == 2


@pytest.mark.parametrize(("days", "kept"), [(29, True), (31, False)])
async def test_a_conversation_that_was_deleted_long_ago_is_purged(
    site: Site, runtime: Runtime, admin: Database, relay: Database, database: Database, days: int, kept: bool
) -> None:
    alice = await site.tenant()
    talk = await begin(alice, title="swordfish")
    await said(alice, runtime, talk, f"{FAST} {SECRET}")
    await alice.mutate("conversationDelete", "conversation { id }", id=talk)
    async with admin.engine.begin() as connection:
        aged = text("update app.conversations set deleted_at = now() - make_interval(days => :d) where id = :id")
        await connection.execute(aged, {"d": days, "id": decode_id("Conversation", talk)})
    forget = conversation_duties(DueTenants(relay.engine), Units(database.engine))["conversations.forget"].run
    assert [await forget(), await forget()] == [int(not kept), 0]
    assert bool(await left(admin, alice)) is kept
    listed = await alice("{ conversations(filter: {deleted: true}) { edges { node { id } } } }")
    assert [one["node"]["id"] for one in listed["edges"]] == [talk] * kept
    restored = await alice.mutate("conversationRestore", "conversation { id }", id=talk)
    assert [one["code"] for one in restored["userErrors"]] == ([] if kept else ["NOT_FOUND"])
