"""Conversations over the API: sending, forking, switching, and whose they are."""

from __future__ import annotations

from persistence.database import Database
from tests.graphql.clients import Person
from tests.graphql.generations import over_ws, shown
from tests.graphql.talks import begin, chores, path_of, said, send, title_of, written
from workers.runtime import Runtime


async def test_a_message_is_answered_and_its_answer_streamed(alice: Person, runtime: Runtime) -> None:
    talk = await begin(alice)
    accepted = await send(alice, talk, "[demo:chunks=20 delay_ms=0] Tell me about the harbour.")
    assert accepted["message"]["role"] == "USER"
    generation = await written(alice, runtime, accepted)
    events = await over_ws(alice, generation)
    question, answer = await path_of(alice, talk)
    assert (question["text"], answer["role"], answer["state"]) == (
        "[demo:chunks=20 delay_ms=0] Tell me about the harbour.", "ASSISTANT", "COMPLETE")  # fmt: skip
    assert shown(events) == answer["text"] != ""


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
