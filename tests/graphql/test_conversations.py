"""Conversations over the API: sending, forking, switching, and whose they are."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from domain.conversations.parts import MESSAGE_CHARS_MAX, PARTS_MAX
from domain.ids import JobId
from persistence.database import Database
from persistence.unit_of_work import Units
from schema.ids import decode_id, encode_id
from tests.graphql.clients import Person, Site
from tests.graphql.generations import over_ws, shown
from tests.graphql.talks import EDIT, REGENERATE, SEND, ask, begin, chores, path_of, said, send, title_of, written
from workers.generation import run_job
from workers.runtime import Runtime

FAST = "[demo:chunks=20 delay_ms=0]"


async def test_a_message_is_answered_and_its_answer_streamed(alice: Person, runtime: Runtime) -> None:
    talk = await begin(alice)
    accepted = await send(alice, talk, f"{FAST} Tell me about the harbour.")
    assert (accepted["message"]["role"], accepted["generation"]["message"]["state"]) == ("USER", "PENDING")
    assert accepted["generation"]["message"]["parentId"] == accepted["message"]["id"]
    generation = await written(alice, runtime, accepted)
    events = await over_ws(alice, generation)
    question, answer = await path_of(alice, talk)
    assert (question["text"], answer["role"], answer["state"]) == (
        f"{FAST} Tell me about the harbour.", "ASSISTANT", "COMPLETE")  # fmt: skip
    assert shown(events) == answer["text"] != ""


async def test_the_issues_own_selections_are_valid(alice: Person) -> None:
    talk = await begin(alice)
    head = "mutation($input: MessageSendInput!) { messageSend(input: $input) "
    values = {"conversationId": talk, "text": "Hello there", "idempotencyKey": "literal"}
    plain = await alice(head + "{ ... on MessageAccepted { message { id } generation { id } } } }", input=values)
    assert set(plain) == {"message", "generation"}
    more = "{ ... on MessageAccepted { message { id } generation { id } } ... on UserError { code field } } }"
    assert await alice(head + more, input={**values, "text": " ", "idempotencyKey": "b"}) == {
        "code": "EMPTY", "field": ["input", "text"]}  # fmt: skip


async def test_a_conversation_without_a_title_gets_one_from_its_first_words(
    alice: Person, runtime: Runtime, admin: Database
) -> None:
    talk = await begin(alice, title="")
    await said(alice, runtime, talk, "What is the colour of the harbour lamps at dusk?")
    assert await chores(alice, runtime, admin) == ["conversation.title"]
    assert await title_of(alice, talk) == "Colour of the harbour lamps at"
    kept = await begin(alice, title="My own")
    await said(alice, runtime, kept, "灯塔建于哪一年？")
    assert await chores(alice, runtime, admin) == []
    assert await title_of(alice, kept) == "My own"


async def test_a_conversation_that_is_deleted_gets_no_title_any_more(
    alice: Person, runtime: Runtime, admin: Database
) -> None:
    talk = await begin(alice, title="")
    await said(alice, runtime, talk, f"{FAST} What colour are the harbour lamps?")
    await alice.mutate("conversationDelete", "conversation { id }", id=talk)
    assert await chores(alice, runtime, admin) == []
    jobs = await alice("{ jobs(first: 1) { edges { node { kind state } } } }")
    assert jobs["edges"][0]["node"] == {"kind": "conversation.title", "state": "CANCELLED"}


async def test_a_title_that_the_author_sets_meanwhile_is_kept(alice: Person, runtime: Runtime, admin: Database) -> None:
    talk = await begin(alice, title="")
    await said(alice, runtime, talk, "灯塔建于哪一年？")
    await alice.mutate("conversationUpdate", "conversation { id }", id=talk, title="Lamps")
    assert await chores(alice, runtime, admin) == ["conversation.title"]
    assert await title_of(alice, talk) == "Lamps"


# -- the tree --------------------------------------------------------------------------------------------------------


async def test_an_edit_forks_and_what_was_said_stays_on_its_own_path(alice: Person, runtime: Runtime) -> None:
    talk = await begin(alice)
    first = await said(alice, runtime, talk, f"{FAST} One?")
    await said(alice, runtime, talk, f"{FAST} Two?")
    before = await path_of(alice, talk)
    edited = await ask(alice, EDIT, messageId=first["message"]["id"], text=f"{FAST} Otherwise?")
    await written(alice, runtime, edited)
    after = await path_of(alice, talk)
    assert [one["text"] for one in after if one["role"] == "USER"] == [f"{FAST} Otherwise?"]
    assert (after[0]["siblingCount"], after[0]["siblingPlace"]) == (2, 2)
    assert [one["id"] for one in after[0]["siblings"]] == [before[0]["id"], after[0]["id"]]
    await alice.mutate(
        "conversationSwitch", "conversation { id }", conversationId=talk, messageId=first["message"]["id"]
    )
    assert [one["id"] for one in await path_of(alice, talk)] == [one["id"] for one in before]


async def test_an_answer_is_written_again_beside_the_one_that_is_there(alice: Person, runtime: Runtime) -> None:
    talk = await begin(alice)
    await said(alice, runtime, talk, f"{FAST} One?")
    question, answer = await path_of(alice, talk)
    again = await ask(alice, REGENERATE, messageId=answer["id"])
    assert again["message"]["id"] == question["id"]
    await written(alice, runtime, again)
    _, other = await path_of(alice, talk)
    assert (other["siblingCount"], other["siblingPlace"], other["parentId"]) == (2, 2, question["id"])
    refused = await ask(alice, REGENERATE, messageId=question["id"])
    assert (refused["code"], refused["field"]) == ("INVALID_STATE", ["input", "messageId"])
    refused = await ask(alice, EDIT, messageId=answer["id"], text="x")
    assert (refused["code"], refused["field"]) == ("INVALID_STATE", ["input", "messageId"])


async def test_of_two_messages_sent_at_once_one_is_refused_and_no_question_is_lost(
    alice: Person, runtime: Runtime
) -> None:
    talk = await begin(alice)
    await said(alice, runtime, talk, f"{FAST} One?")
    two = await asyncio.gather(*(send(alice, talk, f"{FAST} {word}?") for word in ("Left", "Right")))
    accepted, refused = sorted(two, key=lambda one: one["__typename"])
    assert (refused["code"], refused["field"]) == ("INVALID_STATE", ["input", "conversationId"])
    assert (await path_of(alice, talk))[2]["id"] == accepted["message"]["id"]
    await written(alice, runtime, accepted)
    assert [one["state"] for one in await path_of(alice, talk)] == ["COMPLETE"] * 4


async def test_an_answer_that_is_being_written_cannot_be_followed(alice: Person) -> None:
    talk = await begin(alice)
    waiting = await send(alice, talk, "One?")
    refused = await send(alice, talk, "Two?", parentId=waiting["generation"]["message"]["id"])
    assert (refused["code"], refused["field"]) == ("INVALID_STATE", ["input", "parentId"])
    refused = await send(alice, talk, "Two?", parentId=waiting["message"]["id"])
    assert refused["code"] == "INVALID_STATE"


async def test_a_message_that_is_edited_while_it_is_answered_leaves_both(alice: Person, runtime: Runtime) -> None:
    talk = await begin(alice)
    waiting = await send(alice, talk, f"{FAST} One?")
    edited = await ask(alice, EDIT, messageId=waiting["message"]["id"], text=f"{FAST} Two?")
    await written(alice, runtime, waiting)
    await written(alice, runtime, edited)
    path = await path_of(alice, talk)
    assert [one["text"] for one in path[:1]] == [f"{FAST} Two?"] and path[0]["siblingCount"] == 2
    query = "query($id: ID!) { conversation(id: $id) { messages { edges { node { role state } } } } }"
    tree = (await alice(query, id=talk))["messages"]["edges"]
    assert [one["node"]["state"] for one in tree] == ["COMPLETE"] * 4


# -- idempotency and limits ------------------------------------------------------------------------------------------


async def test_a_key_sends_once(alice: Person) -> None:
    talk = await begin(alice)
    answers = await asyncio.gather(*(send(alice, talk, "One?", idempotencyKey="one") for _ in range(10)))
    assert sorted(one["replayed"] for one in answers) == [False] + [True] * 9
    assert len({(one["message"]["id"], one["generation"]["id"]) for one in answers}) == 1
    other = await send(alice, talk, "Two?", idempotencyKey="one")
    assert (other["__typename"], other["code"]) == ("IdempotencyConflict", "IDEMPOTENCY_CONFLICT")
    assert len(await path_of(alice, talk)) == 2


async def test_a_message_has_at_most_fifty_thousand_characters(alice: Person) -> None:
    talk = await begin(alice)
    # Not too long, but more than the demo's model can be told.
    assert (await send(alice, talk, "a" * MESSAGE_CHARS_MAX))["__typename"] == "ContextTooSmall"
    refused = await send(alice, talk, "a" * (MESSAGE_CHARS_MAX + 1))
    assert (refused["code"], refused["field"]) == ("TOO_LONG", ["input", "text"])


async def test_a_message_has_at_most_twenty_parts(alice: Person) -> None:
    talk = await begin(alice)
    part = {"type": "TEXT", "text": "word"}
    full = await ask(alice, SEND, conversationId=talk, parts=[part] * PARTS_MAX)
    assert full["__typename"] == "MessageAccepted"
    assert full["message"]["text"] == "\n\n".join(["word"] * PARTS_MAX)
    over = await ask(alice, SEND, conversationId=talk, text="word", parts=[part] * PARTS_MAX)
    assert (over["code"], over["field"]) == ("LIMIT_REACHED", ["input", "parts"])
    tool = await ask(alice, SEND, conversationId=talk, text="word", parts=[{"type": "TOOL_CALL", "text": "x"}])
    assert (tool["code"], tool["field"]) == ("BAD_USER_INPUT", ["input", "parts"])


async def test_an_image_is_the_authors_own_and_was_uploaded_for_a_message(alice: Person) -> None:
    talk = await begin(alice)
    missing = {"type": "IMAGE", "fileId": encode_id("File", alice.tenant_id)}
    refused = await ask(alice, SEND, conversationId=talk, text="Look", parts=[missing])
    assert (refused["code"], refused["field"]) == ("NOT_FOUND", ["input", "parts"])


async def test_a_message_that_cannot_be_paid_is_not_kept(site: Site) -> None:
    poor = await site.tenant(credit_micros=1)
    talk = await begin(poor)
    refused = await send(poor, talk, "One?")
    assert refused["__typename"] == "QuotaExhausted"
    assert await path_of(poor, talk) == []


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"lastMessages": 0}, "lastMessages"), ({"lastMessages": 501}, "lastMessages"),
        ({"maxTokens": 255}, "maxTokens"), ({"maxTokens": 1_000_001}, "maxTokens"),
        ({"passages": 0}, "passages"), ({"passages": 21}, "passages"),
    ],
)  # fmt: skip
async def test_a_policy_keeps_to_its_ranges(alice: Person, policy: dict[str, int], field: str) -> None:
    query = """mutation($input: ConversationCreateInput!) {
      conversationCreate(input: $input) { conversation { id } userErrors { code field } } }"""
    made = await alice(query, input={"contextPolicy": policy})
    assert made["userErrors"] == [{"code": "BAD_USER_INPUT", "field": ["input", "contextPolicy", field]}]
    edge = {"lastMessages": 500, "maxTokens": 256, "passages": 20}
    made = await alice(query, input={"contextPolicy": edge})
    assert made["userErrors"] == []


async def test_the_gauge_grows_with_what_is_said_and_stops_at_the_policys_limit(
    alice: Person, runtime: Runtime
) -> None:
    talk = await begin(alice, contextPolicy={"maxTokens": 400, "summarize": False})
    query = "query($id: ID!) { conversation(id: $id) { context { usedTokens windowTokens summarized } } }"
    read = []
    for word in ("One", "Two", "Three", "Four"):
        read.append((await alice(query, id=talk))["context"])
        await said(alice, runtime, talk, f"{word}: what do you say to {'this ' * 60}?")
    assert {one["windowTokens"] for one in read} == {400}
    assert 0 < read[0]["usedTokens"] < read[1]["usedTokens"] <= 400
    assert all(one["usedTokens"] <= 400 and not one["summarized"] for one in read)


async def test_a_summary_stands_for_what_grows_too_old(alice: Person, runtime: Runtime, admin: Database) -> None:
    talk = await begin(alice, contextPolicy={"maxTokens": 500})
    made: list[str] = []
    for word in ("One", "Two", "Three", "Four", "Five", "Six"):
        await said(alice, runtime, talk, f"{word}: what do you say to {'this ' * 40}?")
        made += await chores(alice, runtime, admin)
    assert set(made) == {"conversation.summary"}
    query = """query($id: ID!) { conversation(id: $id) { context { summarized }
      activePath { generation { receipt { items { slot decision title } } } } } }"""
    read = await alice(query, id=talk)
    assert read["context"]["summarized"] is True
    items = read["activePath"][-1]["generation"]["receipt"]["items"]
    assert [(one["slot"], one["decision"]) for one in items][:2] == [
        ("CONTRACT", "INCLUDED"),
        ("SUMMARY", "SUMMARIZED"),
    ]


# -- deleting, groups, lists -----------------------------------------------------------------------------------------


async def test_deleting_stops_what_is_being_written_and_can_be_undone(alice: Person, runtime: Runtime) -> None:
    talk = await begin(alice)
    waiting = await send(alice, talk, "One?")
    made = await alice.mutate("conversationDelete", "conversation { id deletedAt }", id=talk)
    assert made["conversation"]["deletedAt"] is not None
    await run_job(runtime, alice.tenant_id, JobId(decode_id("Job", waiting["generation"]["job"]["id"])))
    refused = await send(alice, talk, "Two?")
    assert (refused["code"], refused["field"]) == ("NOT_FOUND", ["input", "conversationId"])
    await alice.mutate("conversationRestore", "conversation { id }", id=talk)
    assert [one["state"] for one in await path_of(alice, talk)] == ["COMPLETE", "CANCELLED"]
    assert (await send(alice, talk, "Two?"))["__typename"] == "MessageAccepted"


async def listed(person: Person, **filter: Any) -> list[str]:
    query = "query($filter: ConversationFilter) { conversations(filter: $filter) { edges { node { title } } } }"
    return [one["node"]["title"] for one in (await person(query, filter=filter))["edges"]]


async def test_conversations_are_listed_by_group_pin_words_and_whether_they_live(site: Site) -> None:
    person = await site.tenant()
    made = await person.mutate("conversationGroupCreate", "conversationGroup { id }", name="Sea")
    group = made["conversationGroup"]["id"]
    await begin(person, title="Waves", groupId=group)
    await begin(person, title="潮水与灯塔", pinned=True)
    gone = await begin(person, title="Gone")
    await person.mutate("conversationDelete", "conversation { id }", id=gone)
    assert await listed(person) == ["潮水与灯塔", "Waves"]
    assert await listed(person, groupId=group) == ["Waves"]
    assert await listed(person, pinned=True) == ["潮水与灯塔"]
    assert await listed(person, query="灯塔") == ["潮水与灯塔"]
    assert await listed(person, deleted=True) == ["Gone"]
    await person.mutate("conversationGroupDelete", "deletedId", id=group)
    assert await listed(person) == ["潮水与灯塔", "Waves"]
    query = "{ conversations { edges { node { group { id } } } } }"
    assert {one["node"]["group"] for one in (await person(query))["edges"]} == {None}


async def test_groups_stand_in_their_owners_order(site: Site) -> None:
    person = await site.tenant()
    ids = []
    for name in ("One", "Two", "Three"):
        made = await person.mutate("conversationGroupCreate", "conversationGroup { id }", name=name)
        ids.append(made["conversationGroup"]["id"])
    await person.mutate("conversationGroupReorder", "conversationGroup { id }", id=ids[2])
    await person.mutate("conversationGroupReorder", "conversationGroup { id }", id=ids[0], afterId=ids[1])
    await person.mutate("conversationGroupRename", "conversationGroup { id }", id=ids[1], name="Zwei")
    assert [one["name"] for one in await person("{ conversationGroups { name } }")] == ["Three", "Zwei", "One"]


async def test_a_conversation_is_exported_for_people_and_for_programs(alice: Person, runtime: Runtime) -> None:
    talk = await begin(alice, title="Lamps")
    first = await said(alice, runtime, talk, f"{FAST} 第一个问题？")
    await written(alice, runtime, await ask(alice, EDIT, messageId=first["message"]["id"], text=f"{FAST} 第二个问题？"))
    query = "query($id: ID!, $format: ExportFormat!) { conversationExport(id: $id, format: $format) { mime text } }"
    markdown = await alice(query, id=talk, format="MARKDOWN")
    answer = (await path_of(alice, talk))[-1]["text"]
    assert markdown == {
        "mime": "text/markdown", "text": f"# Lamps\n\n## Author\n\n{FAST} 第二个问题？\n\n## Answer\n\n{answer}\n"
    }  # fmt: skip
    whole = json.loads((await alice(query, id=talk, format="JSON"))["text"])
    assert [one["role"] for one in whole["messages"]] == ["USER", "ASSISTANT", "USER", "ASSISTANT"]
    assert whole["messages"][2]["editedFrom"] == whole["messages"][0]["id"]
    assert whole["activeLeaf"] == whole["messages"][3]["id"]


async def test_an_export_says_when_it_is_cut(alice: Person, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = await begin(alice)
    for word in ("One", "Two"):
        await said(alice, runtime, talk, f"{FAST} {word}?")
    path = await path_of(alice, talk)
    size = sum(len(one["text"].encode()) for one in path)
    query = "query($id: ID!, $f: ExportFormat!) { conversationExport(id: $id, format: $f) { text truncated } }"
    for format_, overhead in (("MARKDOWN", 0), ("JSON", 200 * 4)):
        for missing in (0, 1):
            monkeypatch.setattr("resolvers.conversations.reading.EXPORT_BYTES_MAX", size + overhead - missing)
            export = await alice(query, id=talk, f=format_)
            assert export["truncated"] is bool(missing)
            assert (path[-1]["text"][:40] in export["text"]) is not bool(missing)
            assert path[-2]["text"] in export["text"]


async def test_gauges_of_many_conversations_are_read_in_one_transaction(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await site.tenant()
    for _ in range(3):
        await begin(person)
    opened = []
    begin_ = Units._begin

    async def counted(self: Units, *given: Any, **more: Any) -> Any:
        opened.append(given)
        return await begin_(self, *given, **more)

    monkeypatch.setattr(Units, "_begin", counted)
    listed = await person("{ conversations { edges { node { context { usedTokens } } } } }")
    assert [one["node"]["context"]["usedTokens"] > 0 for one in listed["edges"]] == [True] * 3
    assert len(opened) == 1
