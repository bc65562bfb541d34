"""Reads of search: the bases that a user may search, the passages of chunks, the evidence of jobs."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import any_, or_, select

from domain.ids import ChunkId, KnowledgeBaseId, TenantId, UserId
from domain.knowledge.search import Passage, SearchedBase
from domain.knowledge.vectors import IndexKey
from persistence.database import Database
from persistence.generation.tables import generations
from persistence.knowledge import reads
from persistence.knowledge.search_tables import knowledge_evidence
from persistence.knowledge.tables import knowledge_bases, knowledge_chunks, knowledge_documents
from persistence.shapes import ACTOR, IDS, TENANT, Shape

_base, _chunk, _document = knowledge_bases.c, knowledge_chunks.c, knowledge_documents.c
_generation = generations.c

BASES = Shape(
    select(_base.id, _base.embedding_model, _base.dimensions, _base.retrieval_policy).where(
        _base.tenant_id == TENANT, _base.id == any_(IDS), *reads.BASES.where, reads.BASES.filters["viewer"]
    )
)
"""Those that the `viewer` sees."""
PASSAGES = Shape(
    select(
        _chunk.id, _chunk.base_id, _chunk.document_id, _chunk.text, _chunk.start_char, _chunk.end_char, _chunk.page,
        _chunk.heading_path, _document.title,
    )
    .join(knowledge_documents, (_document.tenant_id == _chunk.tenant_id) & (_document.id == _chunk.document_id))
    .where(_chunk.tenant_id == TENANT, _chunk.id == any_(IDS), _chunk.enabled, _document.deleted_at.is_(None))
)  # fmt: skip
_evidence = knowledge_evidence.c
_seen_documents = (
    select(_document.id)
    .join(knowledge_bases, (_base.tenant_id == _document.tenant_id) & (_base.id == _document.base_id))
    .where(_document.tenant_id == TENANT, or_(_base.scope != reads.USER_SCOPE, _base.owner_id == ACTOR))
)
_others_talks = select(_generation.job_id).where(
    _generation.tenant_id == TENANT,
    _generation.job_id == any_(IDS),
    _generation.owner_id.is_not(None),
    _generation.owner_id.is_distinct_from(ACTOR),
)
EVIDENCE = Shape(
    select(knowledge_evidence)
    .where(
        _evidence.tenant_id == TENANT,
        _evidence.job_id == any_(IDS),
        _evidence.document_id.in_(_seen_documents),
        _evidence.job_id.not_in(_others_talks),
    )
    .order_by(knowledge_evidence.c.job_id, knowledge_evidence.c.place)
)
"""The passages that jobs used, in the order of their aliases: of bases that the ACTOR sees, and of no conversation that
is another's."""


class SqlPassages:
    """Implements `domain.knowledge.search.Passages`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def bases(
        self, tenant_id: TenantId, actor_user_id: UserId | None, base_ids: Sequence[KnowledgeBaseId]
    ) -> list[SearchedBase]:
        rows = await self._database.shaped(tenant_id, BASES, ids=list(base_ids), viewer=actor_user_id)
        found = {row["id"]: row for row in rows}
        return [
            SearchedBase(
                one, IndexKey(found[one]["embedding_model"], found[one]["dimensions"]), found[one]["retrieval_policy"]
            )
            for one in base_ids
            if one in found
        ]

    async def passages(self, tenant_id: TenantId, chunk_ids: Sequence[ChunkId]) -> dict[ChunkId, Passage]:
        if not chunk_ids:
            return {}
        rows = await self._database.shaped(tenant_id, PASSAGES, ids=list(chunk_ids))
        return {
            row["id"]: Passage(
                row["id"], row["document_id"], row["base_id"], row["title"], row["text"], row["start_char"],
                row["end_char"], row["page"], tuple(row["heading_path"]),
            )
            for row in rows
        }  # fmt: skip
