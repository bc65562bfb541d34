"""A small library to talk about: documents in PostgreSQL, and a search by words over them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import orjson
from sqlalchemy import text

from domain.conversations.passages import terms
from domain.ids import ChunkId, KnowledgeBaseId, SourceDocumentId, TenantId, UserId, new_id
from domain.knowledge.policies import ChunkPolicy, RetrievalPolicy
from domain.knowledge.search import Hit, SearchQuery, SearchResult
from persistence.database import Database
from schema.ids import encode_id

HARBOUR = (
    "# The harbour of Orrin\n\nThe lighthouse was built in 1843 by two brothers. Its keeper is Mira Vale, who has not "
    "left the rock for nine winters.\n\n## Fog\n\nIn fog the horn sounds twice a minute. Nobody has ever heard it a "
    "third time."
)
TEA = (
    "# 茶山\n\n茶园在山的南坡，由林岚一家照看。每年清明前三天开始采茶。\n\n## 茶会\n\n秋天的茶会只请九位客人。"
    "没有人知道第九位是谁。"
)


@dataclass
class Library:
    """Implements `domain.knowledge.search.Retriever`: the chunks with most words in common, best first."""

    admin: Database
    hits: list[Hit] = field(default_factory=list)
    texts: dict[UUID, str] = field(default_factory=dict)
    asked: list[SearchQuery] = field(default_factory=list)

    async def base(self, tenant_id: TenantId, owner_id: UUID, *documents: tuple[str, str]) -> str:
        """A base with documents, cut where a heading begins; its global id."""
        base_id = KnowledgeBaseId(new_id())
        async with self.admin.engine.begin() as connection:
            await connection.execute(
                text(
                    "insert into app.knowledge_bases (tenant_id, id, name, owner_id, embedding_model, dimensions, "
                    "chunk_policy, retrieval_policy) values (:t, :b, 'Library', :o, 'hash', 8, :chunks, :retrieval)"
                ),
                {
                    "t": tenant_id,
                    "b": base_id,
                    "o": owner_id,
                    "chunks": orjson.dumps(ChunkPolicy().to_json()).decode(),
                    "retrieval": orjson.dumps(RetrievalPolicy().to_json()).decode(),
                },
            )
            for title, whole in documents:
                document_id = SourceDocumentId(new_id())
                self.texts[document_id] = whole
                await connection.execute(
                    text(
                        "insert into app.knowledge_documents (tenant_id, id, base_id, title, mime, content_hash, text) "
                        "values (:t, :d, :b, :title, 'text/markdown', :hash, :text)"
                    ),
                    {"t": tenant_id, "d": document_id, "b": base_id, "title": title, "text": whole,
                     "hash": hashlib.sha256(whole.encode()).digest()},
                )  # fmt: skip
                for position, (start, end) in enumerate(_cuts(whole)):
                    hit = Hit(0, ChunkId(new_id()), document_id, base_id, title, whole[start:end], start, end, None, ())
                    self.hits.append(hit)
                    await connection.execute(
                        text(
                            "insert into app.knowledge_chunks (tenant_id, id, base_id, document_id, position, "
                            "heading_path, text, start_char, end_char, tokens, text_hash) "
                            "values (:t, :c, :b, :d, :p, '[]', :text, :s, :e, 1, '')"
                        ),
                        {"t": tenant_id, "c": hit.chunk_id, "b": base_id, "d": document_id, "p": position,
                         "text": hit.text, "s": start, "e": end},
                    )  # fmt: skip
        return encode_id("KnowledgeBase", base_id)

    async def search(
        self, tenant_id: TenantId, actor_user_id: UserId | None, query: SearchQuery, *, principal: str = ""
    ) -> SearchResult:
        self.asked.append(query)
        sought = terms(query.text)
        found = [hit for hit in self.hits if hit.base_id in query.base_ids]
        found.sort(key=lambda hit: -len(terms(hit.text) & sought))
        return SearchResult(tuple(found[: query.first]))


def _cuts(whole: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(whole):
        end = whole.find("\n\n## ", start + 1)
        end = len(whole) if end < 0 else end
        yield start, end
        start = end + 2
