"""`domain.knowledge.vectors.VectorStore` in Weaviate.

Both lists are asked for at once and fused by the domain: what Weaviate itself calls hybrid tells the places in neither
list, and fuses by another rule than the other store does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from domain.ids import ChunkId, TenantId
from domain.knowledge.fusion import fused
from domain.knowledge.vectors import IndexKey, Ranked, SearchMode, StoreQuery, VectorRow
from persistence.knowledge.vector_type import as_text
from persistence.weaviate.collections import BASE, DOCUMENT, ENABLED, HAN, LATIN, MARK
from persistence.weaviate.failures import IndexInactive, IndexMissing, IndexRefused, heard, kind_of
from persistence.weaviate.link import SEARCH_S, WRITE_S, Link
from persistence.weaviate.places import Places
from persistence.weaviate.words import Words, covered, question_of, words_of

if TYPE_CHECKING:
    from weaviate.collections import CollectionAsync

    Place = CollectionAsync[Any, Any]

DEPTH = 50
"""Of each list, so many are fused at least."""
WRITTEN_AT_ONCE = 200
NAMED_AT_ONCE = 1_000
"""Ids in one filter, and rows in one answer: a server gives 10,000 at most, and deletes no more in one call."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """A chunk as the index has it. `mark` stands for its text and its vector."""

    base_id: str
    document_id: str
    enabled: bool
    mark: str

    @classmethod
    def of(cls, row: VectorRow) -> Kept:
        digest = sha256(f"{row.text}\0{as_text(row.vector)}".encode()).hexdigest()
        return cls(str(row.base_id), str(row.document_id), row.enabled, digest)


class WeaviateStore:
    def __init__(self, link: Link) -> None:
        self.link = link
        self.places = Places(link)

    async def put(self, tenant_id: TenantId, index: IndexKey, rows: Sequence[VectorRow]) -> None:
        """Makes the tenant's place where there is none. Raises IndexFailed; what was written until then stays."""
        try:
            await self.write(tenant_id, index, rows)
        except IndexMissing:
            await self.places.make(tenant_id, index)
            await self.write(tenant_id, index, rows)

    async def write(self, tenant_id: TenantId, index: IndexKey, rows: Sequence[VectorRow]) -> None:
        """As `put`. Raises IndexMissing where there is no place."""
        for page in _pages([_object_of(row) for row in rows], WRITTEN_AT_ONCE):
            await self._awake(tenant_id, index, partial(_insert, objects=page))

    async def remove(self, tenant_id: TenantId, index: IndexKey, chunk_ids: Sequence[ChunkId]) -> None:
        from weaviate.classes.query import Filter

        with suppress(IndexMissing):  # where there is no place there is nothing to remove
            for page in _pages(chunk_ids, NAMED_AT_ONCE):
                gone = Filter.by_id().contains_any(page)
                await self._awake(tenant_id, index, partial(_delete, where=gone))

    async def search(self, tenant_id: TenantId, query: StoreQuery) -> list[Ranked]:
        """A tenant that has no place has nothing to be found."""
        try:
            return await self.find(tenant_id, query)
        except IndexMissing:
            return []

    async def find(self, tenant_id: TenantId, query: StoreQuery) -> list[Ranked]:
        """As `search`. Raises IndexFailed, IndexMissing too: where something should be, that is no answer."""
        if not query.base_ids:
            return []
        depth = max(DEPTH, query.first)

        async def both(place: Place) -> list[Ranked]:
            near, worded = await asyncio.gather(_near(place, query, depth), _worded(place, query, depth))
            return _as_one(near, worded, query)

        return await self._awake(tenant_id, query.index, both)

    async def kept(self, tenant_id: TenantId, index: IndexKey) -> dict[ChunkId, Kept]:
        """All that the index has of a tenant. Raises IndexFailed but for a tenant without a place."""
        found: dict[ChunkId, Kept] = {}
        try:
            async for chunk_id, properties in self._walk(tenant_id, index):
                found[chunk_id] = Kept(
                    str(properties.get(BASE)), str(properties.get(DOCUMENT)), bool(properties.get(ENABLED)),
                    str(properties.get(MARK)),
                )  # fmt: skip
        except IndexMissing:
            return {}
        return found

    async def _walk(self, tenant_id: TenantId, index: IndexKey) -> AsyncIterator[tuple[ChunkId, Mapping[str, Any]]]:
        after: UUID | None = None

        async def page(place: Place) -> list[Any]:
            async with heard(WRITE_S):
                found = await place.query.fetch_objects(
                    limit=NAMED_AT_ONCE, after=after, return_properties=[BASE, DOCUMENT, ENABLED, MARK]
                )
            return list(found.objects)

        while objects := await self._awake(tenant_id, index, page):
            for one in objects:
                yield ChunkId(UUID(str(one.uuid))), one.properties
            after = objects[-1].uuid

    async def _awake(self, tenant_id: TenantId, index: IndexKey, call: Callable[[Place], Awaitable[T]]) -> T:
        """A tenant that the server has put to sleep is woken, and asked again."""
        place = await self.places.of(tenant_id, index)
        try:
            return await call(place)
        except IndexInactive:
            await self.places.wake(tenant_id, index)
            return await call(place)


def _object_of(row: VectorRow) -> Any:
    from weaviate.classes.data import DataObject

    words, kept = words_of(row.text), Kept.of(row)
    properties = {
        BASE: kept.base_id, DOCUMENT: kept.document_id, ENABLED: kept.enabled, MARK: kept.mark,
        HAN: words.han, LATIN: words.latin,
    }  # fmt: skip
    return DataObject(uuid=row.chunk_id, vector=list(row.vector), properties=properties)


async def _insert(place: Place, objects: Sequence[Any]) -> None:
    """The client raises only when none was taken: what was refused of the others is in the answer."""
    async with heard(WRITE_S):
        done = await place.data.insert_many(objects)
    for failed in done.errors.values():
        raise kind_of(failed.message)(f"{len(done.errors)} of {len(objects)} were not taken: {failed.message}")


async def _delete(place: Place, where: Any) -> None:
    """In rounds, until a round finds nothing: a server deletes so many in one call and no more."""
    while True:
        async with heard(WRITE_S):
            done = await place.data.delete_many(where)
        if not done.matches:
            return
        if not done.successful:
            raise IndexRefused(f"{done.failed} of {done.matches} were not deleted")


def _within(query: StoreQuery) -> Any:
    from weaviate.classes.query import Filter

    parts = [
        Filter.by_property(ENABLED).equal(True),
        Filter.by_property(BASE).contains_any([str(one) for one in query.base_ids]),
    ]
    if query.document_ids:
        parts.append(Filter.by_property(DOCUMENT).contains_any([str(one) for one in query.document_ids]))
    return Filter.all_of(parts)


async def _near(place: Place, query: StoreQuery, depth: int) -> list[Ranked]:
    from weaviate.classes.query import MetadataQuery

    if query.mode is SearchMode.KEYWORD or query.vector is None:
        return []
    async with heard(SEARCH_S):
        found = await place.query.near_vector(
            near_vector=list(query.vector), limit=depth, filters=_within(query), return_properties=[BASE],
            return_metadata=MetadataQuery(distance=True),
        )  # fmt: skip
    ordered = sorted((one.metadata.distance or 0.0, one.uuid) for one in found.objects)
    return [
        Ranked(ChunkId(UUID(str(uuid))), rank, None, vector_score=1 - distance)
        for rank, (distance, uuid) in enumerate(ordered, 1)
    ]


async def _worded(place: Place, query: StoreQuery, depth: int) -> list[Ranked]:
    from weaviate.classes.query import MetadataQuery

    asked = "" if query.mode is SearchMode.VECTOR else question_of(query.text)
    if not asked:
        return []
    async with heard(SEARCH_S):
        found = await place.query.bm25(
            asked, query_properties=[HAN, LATIN], limit=depth, filters=_within(query),
            return_properties=[HAN, LATIN], return_metadata=MetadataQuery(score=True),
        )  # fmt: skip
    ordered = sorted(found.objects, key=lambda one: (-(one.metadata.score or 0.0), one.uuid))
    words = [Words(str(one.properties.get(HAN) or ""), str(one.properties.get(LATIN) or "")) for one in ordered]
    parts = covered(query.text, words)
    having = [(one, part) for one, part in zip(ordered, parts, strict=True) if part > 0]
    return [
        Ranked(ChunkId(UUID(str(one.uuid))), None, rank, covered=part, keyword_score=one.metadata.score)
        for rank, (one, part) in enumerate(having, 1)
    ]


def _as_one(near: Sequence[Ranked], worded: Sequence[Ranked], query: StoreQuery) -> list[Ranked]:
    by_id = {one.chunk_id: one for one in near}
    for one in worded:
        other = by_id.get(one.chunk_id, one)
        by_id[one.chunk_id] = replace(one, vector_rank=other.vector_rank, vector_score=other.vector_score)
    order = fused([one.chunk_id for one in near], [(one.chunk_id, one.covered or 0.0) for one in worded], query.weights)
    return [by_id[chunk_id] for chunk_id in order[: query.first]]


def _pages(values: Sequence[T], size: int) -> list[Sequence[T]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
