"""`domain.knowledge.vectors.VectorStore` in PostgreSQL: pgvector for nearness, full text for words, one statement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ids import TenantId
from domain.knowledge.embedding import INDEXED_DIMENSIONS
from domain.knowledge.pieces import text_hash
from domain.knowledge.terms import terms_of
from domain.knowledge.vectors import IndexKey, Ranked, SearchMode, StoreQuery, VectorRow
from persistence.database import SET_TENANT
from persistence.knowledge.search_tables import chunk_vectors
from persistence.knowledge.vector_type import as_text

DEPTH = 50
"""Of each list, so many are fused at least."""
EXACT_MAX = 5_000
"""So many vectors are compared one by one in less time than the index takes to find its way past other tenants'."""
COMMON = 1_000
_SQL = Path(__file__).with_name("hybrid.sql").read_text(encoding="utf-8")
_SCOPE = text(
    "select set_config('app.tenant_id', :tenant, true), set_config('hnsw.iterative_scan', 'relaxed_order', true),"
    " set_config('hnsw.max_scan_tuples', '50000', true), set_config('hnsw.ef_search', :ef_search, true),"
    " set_config('plan_cache_mode', 'force_custom_plan', true)"
)


@cache
def _statement(dimensions: int) -> TextClause:
    if dimensions not in INDEXED_DIMENSIONS:
        raise ValueError(f"no index is made for vectors of {dimensions} dimensions")
    return text(_SQL.replace("{dimensions}", str(dimensions)))


class PgVectorStore:
    def __init__(self, engine: AsyncEngine, *, exact_max: int = EXACT_MAX, common: int = COMMON) -> None:
        self._engine = engine
        self._exact_max = exact_max
        self._common = common

    async def put(self, tenant_id: TenantId, index: IndexKey, rows: Sequence[VectorRow]) -> None:
        if not rows:
            return
        given = insert(chunk_vectors)
        replacing = given.on_conflict_do_update(
            constraint="chunk_vectors_pkey",
            set_={name: given.excluded[name] for name in ("base_id", "document_id", "enabled", "vector", "text_hash")},
        )
        values = [_values(tenant_id, index, row) for row in sorted(rows, key=lambda row: row.chunk_id)]
        async with self._engine.begin() as connection:
            await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
            await connection.execute(replacing, values)

    async def search(self, tenant_id: TenantId, query: StoreQuery) -> list[Ranked]:
        depth = max(DEPTH, query.first)
        scope = {"tenant": str(tenant_id), "ef_search": str(min(max(2 * depth, 40), 1_000))}
        values = _asked(tenant_id, query) | {
            "depth": depth, "common": self._common, "exact_max": self._exact_max, "first": query.first,
        }  # fmt: skip
        async with self._engine.connect() as connection:
            await connection.execute(_SCOPE, scope)
            rows = (await connection.execute(_statement(query.index.dimensions), values)).all()
        return [
            Ranked(
                row.id,
                row.vector_rank,
                row.keyword_rank,
                row.covered,
                None if row.distance is None else 1 - row.distance,
                row.score,
            )
            for row in rows
        ]


def _values(tenant_id: TenantId, index: IndexKey, row: VectorRow) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id, "chunk_id": row.chunk_id, "model": index.model, "dimensions": index.dimensions,
        "base_id": row.base_id, "document_id": row.document_id, "enabled": row.enabled, "vector": as_text(row.vector),
        "text_hash": text_hash(row.text),
    }  # fmt: skip


def _asked(tenant_id: TenantId, query: StoreQuery) -> dict[str, Any]:
    """A side that the mode leaves out is asked for nothing."""
    terms = [] if query.mode is SearchMode.VECTOR else terms_of(query.text)
    vector = None if query.mode is SearchMode.KEYWORD or query.vector is None else as_text(query.vector)
    return {
        "tenant": tenant_id, "bases": list(query.base_ids), "documents": list(query.document_ids) or None,
        "model": query.index.model, "vector": vector,
        "terms": [one.text for one in terms], "kinds": [one.kind.value for one in terms],
        "weights": [one.weight for one in terms],
        "near_weight": query.weights.vector, "worded_weight": query.weights.keyword, "k": query.weights.k,
    }  # fmt: skip
