"""Conversations at the desk: messages whose answers the fake provider writes as it is told to."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from domain.conversations import sending
from domain.conversations.entities import Conversation
from domain.conversations.passages import Passage
from domain.conversations.policy import ContextPolicy
from domain.conversations.retrieving import Found
from domain.conversations.service import ConversationDraft, create_conversation
from domain.ids import ChunkId, ConversationId, JobId, KnowledgeBaseId, SourceDocumentId, new_id
from domain.knowledge.entities import Document, KnowledgeBase
from tests.workers.desk import Desk

LAMPS = "The lamps are lit at dusk. Their oil comes from the south. Nobody counts them."


async def conversation(
    desk: Desk, model: str | None = None, policy: ContextPolicy | None = None, title: str = "Talk"
) -> ConversationId:
    draft = ConversationDraft(title, model=model, policy=policy)
    async with desk.units(desk.tenant_id) as uow:
        made: Conversation = await create_conversation(uow, desk.actor, draft)
    return made.id


async def send(desk: Desk, talk: ConversationId, text: str = "What of it?", passages: Sequence[Passage] = ()) -> JobId:
    """A message whose answer waits to be written."""
    command = sending.SendMessage(talk, text, secrets.token_hex(8))
    async with desk.units(desk.tenant_id) as uow:
        started = await sending.send(uow, desk.actor, command, Found(passages), concurrency_max=100)
    assert started.job_id is not None
    return started.job_id


async def passage(desk: Desk, text: str = LAMPS) -> Passage:
    """One that stands in a document."""
    base = KnowledgeBase(
        desk.tenant_id, KnowledgeBaseId(new_id()), "Base", desk.actor.user_id, "hash", 8, {}, {}
    )  # fmt: skip
    document_id = SourceDocumentId(new_id())
    document = Document(desk.tenant_id, document_id, base.id, "Lamps", "text/plain", document_id.bytes, text=text)
    async with desk.units(desk.tenant_id) as uow:
        await uow.knowledge.add(base)
        await uow.knowledge.add(document)
    return Passage(1, ChunkId(new_id()), document_id, "Lamps", text, text, 0)


async def answers(desk: Desk, talk: ConversationId) -> list[Any]:
    """Rows of what was answered, oldest first."""
    return await desk._rows(
        "select * from app.messages where conversation_id = :c and role = 'ASSISTANT' order by id", c=talk
    )


async def quotes(desk: Desk, talk: ConversationId) -> list[str]:
    rows = await desk._rows(
        "select c.quote, substr(d.text, c.span_start + 1, c.span_end - c.span_start) as stands from app.citations c "
        "join app.messages m on m.id = c.message_id join app.knowledge_documents d on d.id = c.document_id "
        "where m.conversation_id = :c order by c.message_id, c.rank",
        c=talk,
    )
    assert [row.quote for row in rows] == [row.stands for row in rows]
    return [row.quote for row in rows]
