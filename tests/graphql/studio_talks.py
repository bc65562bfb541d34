"""A conversation of a tenant that has one of everything: with an answer, what it cites, a group and a link."""

from __future__ import annotations

import hashlib
import secrets

from domain.conversations.entities import Citation
from domain.ids import ChunkId, CitationId, JobId, KnowledgeBaseId, MessageId, SourceDocumentId, new_id
from domain.knowledge.entities import Document, KnowledgeBase
from domain.knowledge.policies import ChunkPolicy, RetrievalPolicy
from schema.ids import decode_id, encode_id
from tests.graphql.clients import Person
from workers.generation import run_job
from workers.runtime import Runtime

SEND = """
mutation($input: MessageSendInput!) {
  messageSend(input: $input) {
    ... on MessageAccepted { message { id } generation { message { id } job { id } } } ... on UserError { code }
  }
}"""


async def talked(person: Person, runtime: Runtime, marker: str) -> dict[str, str]:
    """Ids by their types; every text has the marker."""
    made = await person.mutate("conversationGroupCreate", "conversationGroup { id }", name=f"Group {marker}")
    ids = {"ConversationGroup": made["conversationGroup"]["id"]}
    made = await person.mutate(
        "conversationCreate", "conversation { id }", title=f"Talk {marker}", groupId=ids["ConversationGroup"]
    )
    ids["Conversation"] = talk = made["conversation"]["id"]
    values = {
        "conversationId": talk,
        "text": f"[demo:chunks=5 delay_ms=0] {marker}",
        "idempotencyKey": secrets.token_hex(8),
    }
    sent = await person(SEND, input=values)
    await run_job(runtime, person.tenant_id, JobId(decode_id("Job", sent["generation"]["job"]["id"])))
    ids |= {"Message": sent["message"]["id"], "Answer": sent["generation"]["message"]["id"]}
    ids["Citation"] = await _citation(person, ids["Answer"], marker)
    made = await person.mutate("conversationShareCreate", "share { id }", conversationId=talk)
    return ids | {"ConversationShare": made["share"]["id"]}


async def _citation(person: Person, answer: str, marker: str) -> str:
    base = KnowledgeBase(
        person.tenant_id, KnowledgeBaseId(new_id()), f"Base {marker}", person.user_id, "hash", 8, ChunkPolicy().to_json(),
        RetrievalPolicy().to_json(),
    )  # fmt: skip
    hash_ = hashlib.sha256(base.id.bytes).digest()
    document = Document(
        person.tenant_id, SourceDocumentId(new_id()), base.id, f"Document {marker}", "text/plain", hash_, text=marker
    )
    citation = Citation(
        person.tenant_id, CitationId(new_id()), MessageId(decode_id("Message", answer)), 1, 1, 0, 1, ChunkId(new_id()),
        document.id, marker, 0, len(marker),
    )  # fmt: skip
    async with person.site.api.services.units(person.tenant_id) as uow:
        await uow.knowledge.add(base)
        await uow.knowledge.add(document)
        await uow.conversations.add(citation)
    return encode_id("Citation", citation.id)
