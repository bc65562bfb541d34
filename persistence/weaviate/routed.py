"""`domain.knowledge.vectors.VectorStore` over both: PostgreSQL has the rows, Weaviate answers while it has them all.

What is written goes into PostgreSQL, and from there into Weaviate by the feed.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence

from opentelemetry import metrics
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ids import TenantId
from domain.knowledge.vectors import IndexKey, Ranked, StoreQuery, VectorRow, VectorStore
from persistence.database import SET_TENANT
from persistence.weaviate.failures import IndexFailed, IndexMissing
from persistence.weaviate.store import WeaviateStore

AWAY_S = 5.0
"""So long a server that did not answer is not asked again."""
AWAY, BEHIND, MISSING = "away", "behind", "missing"
"""Why PostgreSQL answered: no answer from Weaviate; a change is on its way there; the tenant is not there."""
_WHOLE = text("""
    select exists (select from app.search_feeds where tenant_id = :tenant) and not exists (
        select from app.search_entries where tenant_id = :tenant and base_id = any(cast(:bases as uuid[]))
            and model = :model and dimensions = :dimensions)
""")

fallbacks: Counter[str] = Counter()
metrics.get_meter("fabula.persistence").create_observable_counter(
    "fabula.search.fallbacks",
    [lambda _: [metrics.Observation(count, {"reason": reason}) for reason, count in fallbacks.items()]],
    description="Searches that PostgreSQL answered instead of Weaviate, by the reason.",
)
logger = logging.getLogger(__name__)


class RoutedStore:
    def __init__(self, engine: AsyncEngine, rows: VectorStore, index: WeaviateStore, away_s: float = AWAY_S) -> None:
        self._engine = engine
        self._rows = rows
        self._index = index
        self._away_s = away_s
        self._away_until = 0.0

    async def put(self, tenant_id: TenantId, index: IndexKey, rows: Sequence[VectorRow]) -> None:
        await self._rows.put(tenant_id, index, rows)

    async def search(self, tenant_id: TenantId, query: StoreQuery) -> list[Ranked]:
        if time.monotonic() < self._away_until:
            reason, detail = AWAY, "it did not answer a moment ago"
        elif not await self._whole(tenant_id, query):
            reason, detail = BEHIND, "changes are on their way"
        else:
            try:
                return await self._index.find(tenant_id, query)
            except IndexMissing as error:
                reason, detail = MISSING, str(error)
            except IndexFailed as error:
                self._away_until = time.monotonic() + self._away_s
                reason, detail = AWAY, str(error)
        fallbacks[reason] += 1
        logger.info("PostgreSQL searches for tenant %s, for Weaviate is %s: %s", tenant_id, reason, detail)
        return await self._rows.search(tenant_id, query)

    async def _whole(self, tenant_id: TenantId, query: StoreQuery) -> bool:
        """Whether these bases are in Weaviate as they are in PostgreSQL."""
        asked = {
            "tenant": tenant_id, "bases": list(query.base_ids), "model": query.index.model,
            "dimensions": query.index.dimensions,
        }  # fmt: skip
        async with self._engine.connect() as connection:
            await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
            return bool((await connection.execute(_WHOLE, asked)).scalar_one())
