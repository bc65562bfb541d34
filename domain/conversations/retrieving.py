"""Looking passages up for a message, before it is sent.

What cannot be looked up keeps no message from being answered: it is then answered without passages.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from domain.accounts import Actor
from domain.conversations.entities import Conversation
from domain.conversations.passages import Passage
from domain.conversations.policy import ContextPolicy
from domain.conversations.sending import Found, conversation_of
from domain.conversations.service import own_conversation
from domain.errors import Rejected
from domain.generation.provider import ProviderError
from domain.ids import ConversationId, KnowledgeBaseId, MessageId
from domain.knowledge.entities import KnowledgeBase
from domain.knowledge.policies import RetrievalTrigger
from domain.knowledge.search import QUERY_CHARS_MAX, Retriever, SearchQuery, SearchResult
from domain.knowledge.service import get_base
from domain.unit_of_work import OpenUnitOfWork

logger = logging.getLogger(__name__)

NOTHING = Found()


@dataclass(frozen=True, slots=True)
class PassageFinder:
    """No transaction is open while it searches."""

    units: OpenUnitOfWork
    retriever: Retriever

    async def for_text(self, actor: Actor, conversation_id: ConversationId, text: str) -> Found:
        """For a message to be sent. What is refused here is refused again, in words, when it is sent."""
        async with self.units(actor.tenant_id) as uow:
            try:
                conversation = await own_conversation(uow.conversations, actor, conversation_id)
            except Rejected:
                return NOTHING
        return await self._found(actor, conversation, text)

    async def for_message(self, actor: Actor, message_id: MessageId, text: str | None = None) -> Found:
        """For a message that is edited to a text, or an answer that is written again."""
        async with self.units(actor.tenant_id) as uow:
            try:
                conversation, message = await conversation_of(uow, actor, message_id)
            except Rejected:
                return NOTHING
            if text is None and message.parent_id is not None:
                question = await uow.conversations.message(message.parent_id)
                text = question.text if question is not None else None
        return await self._found(actor, conversation, text or "")

    async def _found(self, actor: Actor, conversation: Conversation, text: str) -> Found:
        policy = ContextPolicy.of(conversation.context_policy)
        base_ids = await self._bases(actor, conversation, policy, text)
        if not base_ids or not text.strip():
            return NOTHING
        query = SearchQuery(base_ids, text.strip()[:QUERY_CHARS_MAX], first=policy.passages)
        try:
            result = await self.retriever.search(actor.tenant_id, actor.user_id, query, principal=actor.principal)
        except (Rejected, ProviderError) as refusal:
            logger.warning("no passages for conversation %s: %s", conversation.id, refusal)
            return NOTHING
        return Found(await self._passages(actor, result))

    async def _bases(
        self, actor: Actor, conversation: Conversation, policy: ContextPolicy, text: str
    ) -> tuple[KnowledgeBaseId, ...]:
        """Those that are looked into for this message, and that the author still sees."""
        found = []
        async with self.units(actor.tenant_id) as uow:
            for one in conversation.knowledge_base_ids:
                try:
                    base = await get_base(uow, actor, KnowledgeBaseId(UUID(one)))
                except Rejected:
                    continue
                if policy.looks_into(text, trigger_of(base)):
                    found.append(base.id)
        return tuple(found)

    async def _passages(self, actor: Actor, result: SearchResult) -> list[Passage]:
        """With what stands in the documents themselves; without those that are gone since they were indexed."""
        async with self.units(actor.tenant_id) as uow:
            sources = await uow.conversations.sources([one.chunk_id for one in result.hits])
        return [
            Passage(n, hit.chunk_id, hit.document_id, hit.title, hit.text, sources[hit.chunk_id], hit.start)
            for n, hit in enumerate(result.hits, 1)
            if hit.chunk_id in sources
        ]


def trigger_of(base: KnowledgeBase) -> RetrievalTrigger:
    """A base's own rule."""
    return RetrievalTrigger(base.retrieval_policy.get("trigger", RetrievalTrigger.AUTO))
