"""Whose a conversation is, and what is told of it to who watches it."""

from __future__ import annotations

from domain.accounts import Role
from domain.feeds import feed_cursor
from schema.ids import decode_id, encode_id
from tests.graphql.clients import Person, Site
from tests.graphql.talks import EDIT, REGENERATE, SEND, ask, begin, said, send
from tests.graphql.test_conversations import listed
from workers.runtime import Runtime

FAST = "[demo:chunks=20 delay_ms=0]"
EVENTS = """
subscription($id: ID!, $after: String) {
  conversationEvents(id: $id, after: $after) {
    __typename seq cursor at
    ... on MessageAdded { message { id role } question { text } }
    ... on MessageEnded { message { id state } }
    ... on ConversationChanged { conversation { title } }
  }
}"""


async def test_nobody_else_of_the_tenant_reads_along_whatever_the_role(site: Site, runtime: Runtime) -> None:
    owner = await site.tenant()
    author = await site.member(owner, Role.AUTHOR)
    talk = await begin(author)
    accepted = await said(author, runtime, talk, f"{FAST} Between us?")
    ids = [talk, accepted["message"]["id"], accepted["generation"]["id"], accepted["generation"]["message"]["id"],
           accepted["generation"]["job"]["id"]]  # fmt: skip
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert [one["id"] for one in await author(query, ids=ids)] == ids
    for other in (owner, await site.member(owner, Role.ADMIN), await site.tenant()):
        assert await other(query, ids=ids) == [None] * len(ids)
        assert await other("query($id: ID!) { conversation(id: $id) { id } }", id=talk) is None
        assert await listed(other) == []
        refused = await send(other, talk, "Let me in")
        assert (refused["code"], refused["field"]) == ("NOT_FOUND", ["input", "conversationId"])
        for mutation in (EDIT, REGENERATE):
            values = {"text": "x"} if mutation is EDIT else {}
            refused = await ask(other, mutation, messageId=ids[1], **values)
            assert (refused["code"], refused["field"]) == ("NOT_FOUND", ["input", "messageId"])
        jobs = await other("{ jobs { edges { node { id } } } }")
        assert jobs["edges"] == []
        watched = await other.ask("mutation($i: JobCancelInput!) { jobCancel(input: $i) { userErrors { code } } }",
                                  i={"id": ids[4]})  # fmt: skip
        assert watched["data"]["jobCancel"]["userErrors"] == [{"code": "NOT_FOUND"}]


async def test_a_stream_of_a_conversation_is_its_authors(site: Site, runtime: Runtime) -> None:
    owner = await site.tenant()
    author = await site.member(owner, Role.AUTHOR)
    talk = await begin(author)
    accepted = await said(author, runtime, talk, f"{FAST} Between us?")
    async with owner.socket() as ws:
        for n, (field, id_) in enumerate((
            ("generationEvents", accepted["generation"]["id"]), ("jobEvents", accepted["generation"]["job"]["id"]),
            ("conversationEvents", talk),
        )):  # fmt: skip
            await ws.subscribe(str(n), f"subscription($id: ID!) {{ {field}(id: $id) {{ seq }} }}", id=id_)
            assert await ws.code_of(str(n)) == "NOT_FOUND"


async def test_what_happens_to_a_conversation_is_told(alice: Person, runtime: Runtime) -> None:
    talk = await begin(alice, title="Old")
    accepted = await said(alice, runtime, talk, f"{FAST} One?")
    await alice.mutate("conversationUpdate", "conversation { id }", id=talk, title="New")
    async with alice.socket() as ws:
        await ws.subscribe("1", EVENTS, id=talk)
        added, ended, changed = [await anext(ws.events("1")) for _ in range(3)]
    assert [one["__typename"] for one in (added, ended, changed)] == [
        "MessageAdded", "MessageEnded", "ConversationChanged"]  # fmt: skip
    assert added["question"]["text"] == accepted["message"]["text"]
    assert added["message"]["id"] == ended["message"]["id"] and ended["message"]["state"] == "COMPLETE"
    assert changed["conversation"]["title"] == "New"
    assert [added["seq"], ended["seq"], changed["seq"]] == [1, 2, 3]
    async with alice.socket() as ws:
        await ws.subscribe("1", EVENTS, id=talk, after=ended["cursor"])
        assert (await anext(ws.events("1")))["seq"] == 3


async def test_a_page_that_is_opened_again_hears_nothing_old_and_misses_nothing(
    alice: Person, runtime: Runtime
) -> None:
    talk = await begin(alice)
    cursors = []
    for words in ("One?", "Two?"):
        one = await alice("query($id: ID!) { conversation(id: $id) { eventsCursor } }", id=talk)
        cursors.append(one["eventsCursor"])
        await said(alice, runtime, talk, f"{FAST} {words}")
    listed = await alice("{ conversations(first: 1) { edges { node { eventsCursor } } } }")
    cursors.append(listed["edges"][0]["node"]["eventsCursor"])
    await alice.mutate("conversationUpdate", "conversation { id }", id=talk, title="New")
    for n, cursor in enumerate(cursors):
        async with alice.socket() as ws:
            await ws.subscribe("1", EVENTS, id=talk, after=cursor)
            seqs = [(await anext(ws.events("1")))["seq"] for _ in range(5 - 2 * n)]
        assert seqs == list(range(2 * n + 1, 6))


async def test_a_cursor_ahead_of_the_stream_is_refused(alice: Person, runtime: Runtime) -> None:
    talk = await begin(alice)
    await said(alice, runtime, talk, f"{FAST} One?")
    for seq, code in ((2, None), (3, "INVALID_STATE")):
        async with alice.socket() as ws:
            await ws.subscribe("1", EVENTS, id=talk, after=feed_cursor(decode_id("Conversation", talk), seq))
            if code is None:
                await ws.works()
            else:
                assert await ws.code_of("1") == code


async def test_an_id_of_something_else_is_refused(alice: Person) -> None:
    wrong = encode_id("Project", alice.tenant_id)
    refused = await ask(alice, SEND, conversationId=wrong, text="x")
    assert (refused["code"], refused["field"]) == ("BAD_USER_INPUT", ["input", "conversationId"])
