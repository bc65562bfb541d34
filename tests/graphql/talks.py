"""Conversations as a client has them."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import text

from domain.ids import JobId
from persistence.database import Database
from schema.ids import decode_id
from tests.graphql.clients import Person
from workers.generation import run_job
from workers.runtime import Runtime

ACCEPTED = """
  __typename
  ... on MessageAccepted {
    replayed message { id role text state parentId } generation { id state job { id } message { id state parentId } }
  }
  ... on QuotaExhausted { needed { amount } }
  ... on ContextTooSmall { requiredTokens budgetTokens }
  ... on UserError { code sentence: message field }
"""
SEND = f"mutation($input: MessageSendInput!) {{ messageSend(input: $input) {{ {ACCEPTED} }} }}"
EDIT = f"mutation($input: MessageEditInput!) {{ messageEdit(input: $input) {{ {ACCEPTED} }} }}"
REGENERATE = f"mutation($input: MessageRegenerateInput!) {{ messageRegenerate(input: $input) {{ {ACCEPTED} }} }}"
PATH = """
query($id: ID!) {
  conversation(id: $id) {
    id title activePath {
      id role text state parentId siblingCount siblingPlace siblings { id }
      citations { id rank marker quote place { start end } span { start end } document { id title } }
    }
  }
}"""


async def begin(person: Person, **values: Any) -> str:
    made = await person.mutate("conversationCreate", "conversation { id }", **{"title": "Talk", **values})
    return str(made["conversation"]["id"])


async def ask(person: Person, mutation: str, **values: Any) -> Any:
    given = {"idempotencyKey": secrets.token_hex(8), **values}
    return await person(mutation, input=given)


async def send(person: Person, conversation: str, words: str, **values: Any) -> Any:
    return await ask(person, SEND, conversationId=conversation, text=words, **values)


async def written(person: Person, runtime: Runtime, accepted: Any) -> Any:
    """Have the answer written; the generation's global id."""
    assert accepted["__typename"] == "MessageAccepted", accepted
    job = JobId(decode_id("Job", accepted["generation"]["job"]["id"]))
    await run_job(runtime, person.tenant_id, job)
    return accepted["generation"]["id"]


async def said(person: Person, runtime: Runtime, conversation: str, words: str, **values: Any) -> Any:
    """Send and have it answered; what was accepted."""
    accepted = await send(person, conversation, words, **values)
    await written(person, runtime, accepted)
    return accepted


async def path_of(person: Person, conversation: str) -> list[Any]:
    found = await person(PATH, id=conversation)
    return list(found["activePath"])


async def title_of(person: Person, conversation: str) -> str:
    found = await person("query($id: ID!) { conversation(id: $id) { title } }", id=conversation)
    return str(found["title"])


async def chores(person: Person, runtime: Runtime, admin: Database) -> list[str]:
    """Have the titles and summaries written that wait; their kinds."""
    waiting = await admin.platform_rows(
        text(
            "select id, kind from app.jobs where tenant_id = :t and state = 'QUEUED' "
            "and kind like 'conversation.%' order by id"
        ).bindparams(t=person.tenant_id)
    )
    for job in waiting:
        await run_job(runtime, person.tenant_id, JobId(job.id))
    return [job.kind for job in waiting]
