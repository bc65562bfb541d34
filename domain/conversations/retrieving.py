"""Looking passages up for a message, before it is sent.

What is to be looked up is decided where everything else is: by the unit of work that sends the message. It is then given
up with `Unsearched`, and the message sent again with what was found: so a message that is refused, or was sent before,
looks nothing up, and no transaction is open while it is searched. What cannot be looked up, or not in time, keeps no
message from being answered: it is then answered without passages, and its receipt says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.accounts import Actor
from domain.conversations.entities import Conversation
from domain.conversations.passages import Passage
from domain.conversations.policy import ContextPolicy
from domain.errors import Rejected
from domain.generation.provider import ProviderError
from domain.ids import KnowledgeBaseId
from domain.knowledge.entities import KnowledgeBase
from domain.knowledge.policies import RetrievalTrigger
from domain.knowledge.search import QUERY_CHARS_MAX, Retriever, SearchQuery, SearchResult
from domain.knowledge.service import get_base
from domain.unit_of_work import OpenUnitOfWork, UnitOfWork

logger = logging.getLogger(__name__)

LOOK_UP_S = 3.0
"""An author waits for the search, and rather for an answer without passages than for much longer."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was looked up for a message, best first; `failed` when it could not be."""

    passages: Sequence[Passage] = ()
    failed: bool = False


class Unsearched(Exception):
    """A message that may be sent once this was looked up for it. Nothing of the unit of work is to be kept."""

    def __init__(self, query: SearchQuery) -> None:
        super().__init__("passages are to be looked up first")
        self.query = query


async def sought(uow: UnitOfWork, actor: Actor, conversation: Conversation, text: str) -> SearchQuery | None:
    """What is to be looked up for a text, in the bases that the author still sees; None for nothing."""
    policy = ContextPolicy.of(conversation.context_policy)
    found = []
    for one in conversation.knowledge_base_ids if text.strip() else ():
        try:
            base = await get_base(uow, actor, KnowledgeBaseId(UUID(one)))
        except Rejected:
            continue
        if policy.looks_into(text, trigger_of(base)):
            found.append(base.id)
    return SearchQuery(tuple(found), text.strip()[:QUERY_CHARS_MAX], first=policy.passages) if found else None


@dataclass(frozen=True, slots=True)
class PassageFinder:
    """No transaction is open while it searches."""

    units: OpenUnitOfWork
    retriever: Retriever

    async def find(self, actor: Actor, query: SearchQuery) -> Found:
        try:
            async with asyncio.timeout(LOOK_UP_S):
                result = await self.retriever.search(actor.tenant_id, actor.user_id, query)
        except (Rejected, ProviderError, TimeoutError) as reason:
            said = str(reason) or f"no answer within {LOOK_UP_S:g} s"
            logger.warning("no passages for a message of tenant %s: %s", actor.tenant_id, said)
            return Found(failed=True)
        return Found(await self._passages(actor, result))

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
