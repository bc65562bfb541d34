"""Conversations that begin with an assistant: what it says, what a model is told of it, and when it is gone."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from sqlalchemy import text

from domain.conversations.service import BASES_MAX
from persistence.database import Database
from schema.ids import decode_id, encode_id
from tests.graphql.assistants import give, make, publish, seen
from tests.graphql.clients import Person
from tests.graphql.talks import REGENERATE, ask, begin, path_of, said, send
from tests.graphql.test_knowledge import new_base
from workers.runtime import Runtime

FAST = "[demo:chunks=5 delay_ms=0]"
PROMPT = "You answer as the harbour master of Orrin."
GIVEN: dict[str, Any] = {
    "greeting": "Welcome to the quay.",
    "openingMessages": ["Which ship do you wait for?"],
    "examples": [{"user": "Is it late?", "assistant": "The tide is never late."}],
}
BEGUN = """query($id: ID!) { conversation(id: $id) {
  model knowledgeBaseIds assistant { id name } assistantVersion { id number prompt } context { usedTokens assistantGone }
} }"""
RECEIPT = """query($id: ID!) { node(id: $id) { ... on Generation {
  receipt { items { slot title tokens decision reason } } } } }"""


async def told(person: Person, admin: Database, accepted: Any) -> tuple[Any, list[Any], list[Any]]:
    """The generation's row, its prompt as (role, content), and its receipt as (slot, decision)."""
    generation = accepted["generation"]["id"]
    rows = await admin.platform_rows(
        text("select prompt, temperature, max_output_tokens, model from app.generations where id = :id").bindparams(
            id=decode_id("Generation", generation)
        )
    )
    items = (await person(RECEIPT, id=generation))["receipt"]["items"]
    return rows[0], [(m["role"], m["content"]) for m in rows[0].prompt], [(i["slot"], i["decision"]) for i in items]


async def test_an_assistant_opens_the_conversation_and_is_what_the_model_is_told(
    alice: Person, runtime: Runtime, admin: Database
) -> None:
    assistant = await make(alice, "Harbour master")
    version = await give(
        alice, assistant, PROMPT, **GIVEN, modelPreferences={"temperature": 0.3, "maxOutputTokens": 500}
    )
    talk = await begin(alice, assistantId=assistant)
    path = await path_of(alice, talk)
    assert [(one["role"], one["state"], one["text"]) for one in path] == [
        ("ASSISTANT", "COMPLETE", "Welcome to the quay."), ("ASSISTANT", "COMPLETE", "Which ship do you wait for?"),
    ]  # fmt: skip
    accepted = await said(alice, runtime, talk, f"{FAST} The Grey Heron.")
    assert accepted["message"]["parentId"] == path[-1]["id"]
    row, prompt, items = await told(alice, admin, accepted)
    system = prompt[0][1]
    assert PROMPT in system and "Welcome to the quay." in system and "Which ship do you wait for?" in system
    assert prompt[1:] == [
        ("user", "Is it late?"), ("assistant", "The tide is never late."), ("user", f"{FAST} The Grey Heron."),
    ]  # fmt: skip
    assert items == [
        ("CONTRACT", "INCLUDED"), ("ASSISTANT", "INCLUDED"), ("HISTORY", "INCLUDED"), ("EXAMPLE", "INCLUDED"),
        ("MESSAGE", "INCLUDED"),
    ]  # fmt: skip
    assert (row.temperature, row.max_output_tokens) == (0.3, 500)
    begun = await alice(BEGUN, id=talk)
    assert begun["assistant"] == {"id": assistant, "name": "Harbour master"}
    assert begun["assistantVersion"] == {"id": version["id"], "number": 1, "prompt": PROMPT}
    assert begun["context"]["assistantGone"] is False
    assert (await path_of(alice, talk))[-1]["role"] == "ASSISTANT" and len(await path_of(alice, talk)) == 4


async def test_a_conversation_keeps_its_version_and_another_may_begin_with_an_older_one(
    alice: Person, runtime: Runtime, admin: Database
) -> None:
    assistant = await make(alice)
    first = await give(alice, assistant, "The first prompt.")
    talk = await begin(alice, assistantId=assistant)
    await give(alice, assistant, "The second prompt.")
    _, prompt, _ = await told(alice, admin, await said(alice, runtime, talk, f"{FAST} Hello"))
    assert "The first prompt." in prompt[0][1]
    old, new = await begin(alice, assistantVersionId=first["id"]), await begin(alice, assistantId=assistant)
    assert [(await alice(BEGUN, id=one))["assistantVersion"]["number"] for one in (old, new)] == [1, 2]


async def test_what_opens_a_conversation_is_no_answer_to_be_written_again(alice: Person) -> None:
    assistant = await make(alice)
    await give(alice, assistant, PROMPT, **GIVEN)
    talk = await begin(alice, assistantId=assistant)
    for opening in await path_of(alice, talk):
        refused = await ask(alice, REGENERATE, messageId=opening["id"])
        assert (refused["code"], refused["field"]) == ("INVALID_STATE", ["input", "messageId"])


async def test_of_an_assistant_that_was_withdrawn_a_stranger_has_nothing_more(
    alice: Person, bob: Person, runtime: Runtime, admin: Database
) -> None:
    assistant = await make(alice, "Withdrawn soon")
    version = await give(alice, assistant, PROMPT, **GIVEN)
    code = ("NOT_FOUND", ["input", "assistantId"])
    assert await bob.refusal("conversationCreate", assistantId=assistant) == code
    await publish(alice, assistant)
    talk = await begin(bob, assistantId=assistant)
    _, prompt, _ = await told(bob, admin, await said(bob, runtime, talk, f"{FAST} Hello"))
    assert PROMPT in prompt[0][1]
    assert (await seen(alice, assistant))["statistics"]["conversations"] == 1
    await alice.mutate("assistantUnpublish", assistantId=assistant)
    assert await bob.refusal("conversationCreate", assistantId=assistant) == code
    assert await bob.refusal("conversationCreate", assistantVersionId=version["id"]) == (
        "NOT_FOUND", ["input", "assistantVersionId"])  # fmt: skip
    row, prompt, items = await told(bob, admin, await said(bob, runtime, talk, f"{FAST} And now?"))
    assert all(PROMPT not in content and "never late" not in content for _, content in prompt)
    assert ("ASSISTANT", "GONE") in items and row.temperature is None
    begun = await bob(BEGUN, id=talk)
    assert (begun["assistant"], begun["assistantVersion"], begun["context"]["assistantGone"]) == (None, None, True)
    await publish(alice, assistant)
    assert (await bob(BEGUN, id=talk))["context"]["assistantGone"] is False


async def test_a_retry_does_not_send_the_prompt_of_an_assistant_that_was_withdrawn(
    alice: Person, bob: Person, admin: Database
) -> None:
    assistant = await make(alice, "Withdrawn soon")
    await give(alice, assistant, PROMPT)
    await publish(alice, assistant)
    talk = await begin(bob, assistantId=assistant)

    async def cancelled(accepted: Any) -> dict[str, str]:
        job = accepted["generation"]["job"]["id"]
        await bob.mutate("jobCancel", id=job)
        return {"id": job, "idempotencyKey": secrets.token_hex(8)}

    fields = "generation { id job { id } }"
    again = await bob.mutate("jobRetry", fields, **await cancelled(await send(bob, talk, f"{FAST} Hello")))
    assert PROMPT in (await told(bob, admin, again))[1][0][1]
    told_of_it = await cancelled(again)
    await alice.mutate("assistantUnpublish", assistantId=assistant)
    assert await bob.refusal("jobRetry", **told_of_it) == ("INVALID_STATE", ["input", "id"])
    without = await ask(bob, REGENERATE, messageId=(await path_of(bob, talk))[-1]["id"])
    assert PROMPT not in (await told(bob, admin, without))[1][0][1]
    again = await bob.mutate("jobRetry", fields, **await cancelled(without))
    assert again["userErrors"] == []


async def test_an_assistant_that_its_owner_deletes_answers_nobody(
    alice: Person, runtime: Runtime, admin: Database
) -> None:
    assistant = await make(alice)
    await give(alice, assistant, PROMPT)
    talk = await begin(alice, assistantId=assistant)
    await alice.mutate("assistantDelete", id=assistant)
    _, prompt, items = await told(alice, admin, await said(alice, runtime, talk, f"{FAST} Hello"))
    assert PROMPT not in prompt[0][1] and ("ASSISTANT", "GONE") in items


async def test_an_assistants_preferences_are_defaults(alice: Person) -> None:
    offered = (await alice("{ channels(first: 1) { edges { node { models { name } } } } }"))["edges"][0]["node"]
    name = offered["models"][0]["name"]
    assistant = await make(alice)
    await give(alice, assistant, PROMPT, modelPreferences={"model": name})
    assert (await alice(BEGUN, id=await begin(alice, assistantId=assistant)))["model"] == name
    own = await begin(alice, assistantId=assistant, model="another")
    assert (await alice(BEGUN, id=own))["model"] == "another"
    await give(alice, assistant, PROMPT, modelPreferences={"model": "nobodys-model"})
    assert (await alice(BEGUN, id=await begin(alice, assistantId=assistant)))["model"] is None


async def test_an_assistants_bases_join_those_of_the_conversation(alice: Person) -> None:
    own, another = await new_base(alice), await new_base(alice, name="Another")
    assistant = await make(alice)
    await give(alice, assistant, PROMPT, knowledgeBaseIds=[own, another])
    talk = await begin(alice, assistantId=assistant, knowledgeBaseIds=[another])
    assert (await alice(BEGUN, id=talk))["knowledgeBaseIds"] == [another, own]
    await alice.mutate("knowledgeBaseDelete", id=own)
    later = await begin(alice, assistantId=assistant)
    assert (await alice(BEGUN, id=later))["knowledgeBaseIds"] == [another]


async def test_an_assistant_and_a_version_of_another_do_not_go_together(alice: Person) -> None:
    one, other = await make(alice), await make(alice, "Other")
    version = await give(alice, other)
    assert await alice.refusal("conversationCreate", assistantId=one, assistantVersionId=version["id"]) == (
        "NOT_FOUND", ["input", "assistantVersionId"])  # fmt: skip
    assert await alice.refusal("conversationCreate", assistantId=one) == ("NOT_FOUND", ["input", "assistantId"])


# -- bases -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["conversationCreate", "conversationUpdate"])
async def test_bases_are_checked_and_at_most_twenty(alice: Person, bob: Person, operation: str) -> None:
    given = {"id": await begin(alice)} if operation == "conversationUpdate" else {}
    bases = [await new_base(alice, name=f"Base {n}") for n in range(BASES_MAX + 1)]
    made = await alice.mutate(
        operation, "conversation { knowledgeBaseIds }", **given, knowledgeBaseIds=bases[:BASES_MAX]
    )
    assert made["conversation"]["knowledgeBaseIds"] == bases[:BASES_MAX]
    field = ["input", "knowledgeBaseIds"]
    assert await alice.refusal(operation, **given, knowledgeBaseIds=bases) == ("LIMIT_REACHED", field)
    foreign = await new_base(bob)
    gone = bases[-1]
    await alice.mutate("knowledgeBaseDelete", id=gone)
    for one in (foreign, gone, encode_id("KnowledgeBase", decode_id("Conversation", await begin(alice)))):
        assert await alice.refusal(operation, **given, knowledgeBaseIds=[one]) == ("NOT_FOUND", field)


async def test_the_longest_path_takes_one_more_message_and_no_other(alice: Person, admin: Database) -> None:
    talk = await begin(alice)
    conversation = decode_id("Conversation", talk)
    fill = text(
        "insert into app.messages (tenant_id, id, conversation_id, parent_id, depth, role, text) "
        "select :t, ('00000000-0000-7000-8000-' || :tail || lpad(to_hex(n), 8, '0'))::uuid, :c, case when n > 0 then "
        "('00000000-0000-7000-8000-' || :tail || lpad(to_hex(n - 1), 8, '0'))::uuid end, n, "
        "case when n % 2 = 0 then 'USER' else 'ASSISTANT' end, 'x' from generate_series(cast(:a as int), 999) n "
        "where n < :b returning id"
    )
    tail = secrets.token_hex(2)
    point = text("update app.conversations set active_leaf_id = (select id from app.messages where tenant_id = :t and "
                 "conversation_id = :c order by depth desc limit 1) where tenant_id = :t and id = :c")  # fmt: skip
    given = {"t": alice.tenant_id, "c": conversation, "tail": tail}
    async with admin.engine.begin() as connection:
        await connection.execute(fill, {**given, "a": 0, "b": 998})
        await connection.execute(point, {"t": alice.tenant_id, "c": conversation})
    accepted = await send(alice, talk, "The last one")
    assert accepted["__typename"] == "MessageAccepted"
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("update app.messages set state = 'COMPLETE' where tenant_id = :t and conversation_id = :c"),
            {"t": alice.tenant_id, "c": conversation},
        )
    refused = await send(alice, talk, "One more")
    assert (refused["code"], refused["field"]) == ("LIMIT_REACHED", ["input", "conversationId"])
