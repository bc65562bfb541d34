"""How long a hybrid search takes in a large tenant among many, and what its size costs another.

    python -m bench.knowledge_search --chunks 10000 100000 --tenants 1000

Texts are made of words as frequent as words are, vectors of topics; a search has a topic's vector and six words, of
which one is in a large part of all texts. The other tenant is searched before the large one is filled, and after.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np

from app.settings import Settings
from bench.retrieval.stage import database
from domain.ids import KnowledgeBaseId, TenantId, new_id
from domain.knowledge.vectors import IndexKey, SearchMode, StoreQuery
from persistence.database import create_engine
from persistence.knowledge.vector_type import as_text
from persistence.knowledge.vectors import PgVectorStore

DIMENSIONS, TOPICS, WORDS, NOISE = 384, 400, 20_000, 0.6
WORDS_OF_CHUNK, WORDS_OF_QUERY = 80, 6
INDEX = IndexKey("bench", DIMENSIONS)
WARM, BATCH = 20, 1_000
SYLLABLES = ("ka", "lo", "mi", "ren", "ta", "vo", "shi", "dur", "pel", "an", "gor", "thu", "bel", "ix", "sa", "ny")
FILLED = ("tenants", "knowledge_bases", "knowledge_documents", "knowledge_chunks", "chunk_vectors")


class World:
    """Makes texts and vectors, the same ones in every run."""

    def __init__(self) -> None:
        self._draw = np.random.default_rng(7)
        self._topics = self._draw.standard_normal((TOPICS, DIMENSIONS))
        frequency = 1 / np.arange(1, WORDS + 1)
        self._frequency = frequency / frequency.sum()

    def vector(self) -> list[float]:
        topic = self._topics[self._draw.integers(TOPICS)]
        found = topic + NOISE * self._draw.standard_normal(DIMENSIONS)
        return list(found / np.linalg.norm(found))

    def text(self) -> str:
        return " ".join(map(_word, self._draw.choice(WORDS, WORDS_OF_CHUNK, p=self._frequency)))

    def question(self) -> str:
        """One common word, and others that are not everywhere."""
        ranks = [self._draw.integers(5, 30), *self._draw.integers(200, WORDS, WORDS_OF_QUERY - 1)]
        return " ".join(map(_word, ranks))


def _word(rank: int) -> str:
    parts = []
    while True:
        rank, part = divmod(int(rank), len(SYLLABLES))
        parts.append(SYLLABLES[part])
        if not rank:
            return "".join(parts)


@dataclass(frozen=True)
class Shelf:
    """A tenant's base."""

    tenant_id: TenantId
    base_id: KnowledgeBaseId
    document_id: UUID


async def filled(connection: Any, world: World, shelf: Shelf, count: int, start: int = 0) -> None:
    """`count` more chunks, in a tenant that is made when it has none yet."""
    tenant, base, document = shelf.tenant_id, shelf.base_id, shelf.document_id
    if not start:
        await connection.execute(
            "insert into app.tenants (tenant_id, slug, name) values ($1, $2, 'b')", tenant, str(tenant)
        )
        await connection.execute(
            "insert into app.knowledge_bases (tenant_id, id, name, owner_id, embedding_model, dimensions, chunk_policy,"
            " retrieval_policy) values ($1, $2, 'b', $1, $3, $4, '{}', '{}')",
            tenant, base, INDEX.model, DIMENSIONS,
        )  # fmt: skip
        await connection.execute(
            "insert into app.knowledge_documents (tenant_id, id, base_id, title, mime, content_hash)"
            " values ($1, $2, $3, 'd', 'text/plain', 'x')",
            tenant, document, base,
        )  # fmt: skip
    for first in range(start, start + count, BATCH):
        rows = list(_rows(world, range(first, min(first + BATCH, start + count))))
        await connection.executemany(
            "insert into app.knowledge_chunks (tenant_id, id, base_id, document_id, position, heading_path, text,"
            " start_char, end_char, tokens, text_hash) values ($1, $2, $3, $4, $5, '[]', $6, 0, 1, 1, 'x')",
            [(tenant, chunk, base, document, place, text) for place, chunk, text, _ in rows],
        )
        await connection.executemany(
            "insert into app.chunk_vectors (tenant_id, chunk_id, model, dimensions, base_id, document_id, enabled, vector)"
            " values ($1, $2, $3, $4, $5, $6, true, $7::text::halfvec)",
            [(tenant, chunk, INDEX.model, DIMENSIONS, base, document, vector) for _, chunk, _, vector in rows],
        )
    await connection.execute(
        "update app.knowledge_documents set chunk_count = $2 where id = $1", document, start + count
    )


def _rows(world: World, places: range) -> Iterator[tuple[int, UUID, str, str]]:
    for place in places:
        yield place, new_id(), world.text(), as_text(world.vector())


async def timed(store: PgVectorStore, world: World, shelf: Shelf, count: int) -> tuple[float, float]:
    """p50 and p95 in milliseconds."""
    took = []
    for number in range(WARM + count):
        query = StoreQuery(INDEX, SearchMode.HYBRID, (shelf.base_id,), world.question(), world.vector(), 30)
        began = time.perf_counter()
        await store.search(shelf.tenant_id, query)
        if number >= WARM:
            took.append((time.perf_counter() - began) * 1_000)
    took.sort()
    return took[count // 2], took[count * 95 // 100]


async def measure(settings: Settings, sizes: list[int], tenants: int, each: int, searches: int) -> None:
    world = World()
    url = settings.database_url.get_secret_value()
    connection = await asyncpg.connect(url, ssl=False)
    shelves = [Shelf(TenantId(new_id()), KnowledgeBaseId(new_id()), new_id()) for _ in range(tenants)]
    await connection.execute("drop index app.chunk_vectors_near_384_idx")
    for shelf in shelves[1:]:
        await filled(connection, world, shelf, each)
    store = PgVectorStore(create_engine(settings.database_app_url.get_secret_value()))
    other = shelves[tenants // 2]
    found: list[tuple[int, float, float, float, float]] = []
    for size in [0, *sizes]:
        there = found[-1][0] if found else 0
        if size:
            await filled(connection, world, shelves[0], size - there, there)
        await indexed(connection)
        mine = await timed(store, world, shelves[0], searches) if size else (0.0, 0.0)
        found.append((size, *mine, *await timed(store, world, other, searches)))
        await connection.execute("drop index app.chunk_vectors_near_384_idx")
    await connection.close()
    told(found, tenants, each)


def told(found: list[tuple[int, float, float, float, float]], tenants: int, each: int) -> None:
    print(f"Hybrid, {tenants:,} tenants; each but the large one has {each:,} chunks.\n")
    print("| Chunks of the large tenant | p50 | p95 | another tenant p50 | p95 |\n|--:|--:|--:|--:|--:|")
    for size, p50, p95, other50, other95 in found:
        mine = f"{p50:.1f} ms | {p95:.1f} ms" if size else "- | -"
        print(f"| {size:,} | {mine} | {other50:.1f} ms | {other95:.1f} ms |")
    _, first, last = found[0], found[1], found[-1]
    print(f"\nWith {last[0] / first[0]:.0f} times the chunks, p50 is {last[1] / first[1]:.1f} times as long.")


async def indexed(connection: Any) -> None:
    """Built at once over what is there, which takes a tenth of the time of growing it."""
    await connection.execute("set maintenance_work_mem = '512MB'")
    await connection.execute(
        "create index chunk_vectors_near_384_idx on app.chunk_vectors"
        " using hnsw ((vector::halfvec(384)) halfvec_cosine_ops) where dimensions = 384"
    )
    for table in FILLED:
        await connection.execute(f"vacuum analyze app.{table}")


async def run(arguments: argparse.Namespace) -> None:
    async with database() as settings:
        await measure(settings, arguments.chunks, arguments.tenants, arguments.each, arguments.searches)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000], help="sizes, growing")
    parser.add_argument("--tenants", type=int, default=1_000)
    parser.add_argument("--each", type=int, default=50, help="chunks of every other tenant")
    parser.add_argument("--searches", type=int, default=200)
    asyncio.run(run(parser.parse_args()))
