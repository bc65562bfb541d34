"""What every vector store promises. A subclass gives the fixture `shelf`: a store, and how a chunk comes to be in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import text

from adapters.embedder_hashed import HashedEmbedder
from domain.ids import ChunkId, KnowledgeBaseId, SourceDocumentId, TenantId, UserId, new_id
from domain.knowledge.entities import Chunk, Document, DocumentState, KnowledgeBase
from domain.knowledge.fusion import Weights, fused
from domain.knowledge.vectors import IndexKey, Ranked, SearchMode, StoreQuery, VectorRow, VectorStore
from persistence.unit_of_work import Units

INDEX = IndexKey("hash", 384)
PASSAGES = (
    "The ferryman Oduya keeps a brass lantern under the stern.",
    "Nobody in Karst sells salt after the second bell.",
    "灯塔的守夜人姓岑，他只在退潮时擦铜镜。",
    "雾港的盐税由港务会在月初收。",
    "A lantern burns whale oil; a lamp burns what there is.",
)


@dataclass
class Shelf:
    """One tenant's base with the passages in it, in PostgreSQL as everywhere, and in the store under test."""

    units: Units
    store: VectorStore
    embedder: HashedEmbedder = field(default_factory=HashedEmbedder)
    tenant_id: TenantId = field(default_factory=lambda: TenantId(new_id()))
    chunks: list[Chunk] = field(default_factory=list)

    async def open(self) -> Shelf:
        async with self.units(self.tenant_id) as uow:
            await uow.accounts._session.execute(
                text("insert into app.tenants (tenant_id, slug, name) values (:id, :slug, 't')"),
                {"id": self.tenant_id, "slug": str(self.tenant_id)},
            )
        return self

    async def base(self, *, name: str = "notes", model: IndexKey = INDEX, **more: Any) -> KnowledgeBase:
        base = KnowledgeBase(
            self.tenant_id, KnowledgeBaseId(new_id()), name, UserId(new_id()), model.model, model.dimensions, {}, {},
            **more,
        )  # fmt: skip
        async with self.units(self.tenant_id) as uow:
            uow.accounts._session.add(base)
        return base

    async def document(self, base: KnowledgeBase, *passages: str, title: str = "A document") -> list[Chunk]:
        """A document of these passages, with a line between them. Not in the store yet."""
        whole = "\n".join(passages)
        document = Document(
            self.tenant_id, SourceDocumentId(new_id()), base.id, title, "text/plain", sha256(whole.encode()).digest(),
            state=DocumentState.READY, text=whole, characters=len(whole), chunk_count=len(passages),
        )  # fmt: skip
        chunks, start = [], 0
        for position, passage in enumerate(passages):
            chunks.append(
                Chunk(
                    self.tenant_id, ChunkId(new_id()), base.id, document.id, position, passage, start,
                    start + len(passage), 1, sha256(passage.encode()).digest(), ["Part one"], 3,
                )
            )  # fmt: skip
            start += len(passage) + 1
        async with self.units(self.tenant_id) as uow:
            uow.accounts._session.add(document)
            await uow.accounts._session.flush()
            uow.accounts._session.add_all(chunks)
        self.chunks += chunks
        return chunks

    async def put(self, chunks: list[Chunk], index: IndexKey = INDEX) -> None:
        vectors = (await self.embedder.embed([one.text for one in chunks], query=False)).vectors
        rows = [
            VectorRow(one.id, one.base_id, one.document_id, one.enabled, one.text, vector)
            for one, vector in zip(chunks, vectors, strict=True)
        ]
        await self.store.put(self.tenant_id, index, rows)

    async def switch(self, chunk: Chunk, *, enabled: bool) -> None:
        chunk.enabled = enabled
        await self.put([chunk])

    async def filled(self) -> tuple[KnowledgeBase, list[Chunk]]:
        base = await self.base()
        chunks = await self.document(base, *PASSAGES)
        await self.put(chunks)
        return base, chunks

    async def query(self, sought: str, *bases: KnowledgeBase, **more: Any) -> StoreQuery:
        vector = (await self.embedder.embed([sought], query=True)).vectors[0]
        given: dict[str, Any] = {"index": INDEX, "mode": SearchMode.HYBRID, "first": 10} | more
        return StoreQuery(base_ids=tuple(one.id for one in bases), text=sought, vector=vector, **given)

    async def search(self, sought: str, *bases: KnowledgeBase, **more: Any) -> list[Ranked]:
        return await self.store.search(self.tenant_id, await self.query(sought, *bases, **more))

    async def texts(self, sought: str, *bases: KnowledgeBase, **more: Any) -> list[str]:
        known = {one.id: one.text for one in self.chunks}
        return [known[hit.chunk_id] for hit in await self.search(sought, *bases, **more)]


class VectorStoreSuite:
    @pytest.mark.parametrize("mode", SearchMode)
    @pytest.mark.parametrize(("sought", "place"), [("Oduya's brass lantern", 0), ("守夜人擦铜镜", 2), ("盐税", 3)])
    async def test_the_passage_with_the_words_comes_first(
        self, shelf: Shelf, mode: SearchMode, sought: str, place: int
    ) -> None:
        base, _ = await shelf.filled()
        assert (await shelf.texts(sought, base, mode=mode))[0] == PASSAGES[place]

    async def test_by_nearness_everything_has_a_place_and_by_words_only_what_has_them(self, shelf: Shelf) -> None:
        base, _ = await shelf.filled()
        assert len(await shelf.texts("lantern", base, mode=SearchMode.VECTOR)) == len(PASSAGES)
        assert set(await shelf.texts("lantern", base, mode=SearchMode.KEYWORD)) == {PASSAGES[0], PASSAGES[4]}
        assert await shelf.texts("zeppelin", base, mode=SearchMode.KEYWORD) == []
        assert await shelf.texts("?!", base, mode=SearchMode.KEYWORD) == []

    async def test_a_word_is_found_in_its_other_forms_and_one_glyph_by_itself(self, shelf: Shelf) -> None:
        base, _ = await shelf.filled()
        assert await shelf.texts("ferrymen keeping lanterns", base, mode=SearchMode.KEYWORD, first=1) == [PASSAGES[0]]
        assert await shelf.texts("岑", base, mode=SearchMode.KEYWORD) == [PASSAGES[2]]

    async def test_what_is_asked_for_cannot_break_the_query(self, shelf: Shelf) -> None:
        base, _ = await shelf.filled()
        for sought in ("'", "a & | ! ( b:*", "岑'", "\\", "lantern\x07", "<->", "%_"):
            await shelf.search(sought, base)

    async def test_ranks_are_given_for_each_list_and_fused_as_the_domain_fuses(self, shelf: Shelf) -> None:
        base, _ = await shelf.filled()
        weights = Weights(keyword=0.6, k=5)
        near = await shelf.search("brass lantern salt", base, mode=SearchMode.VECTOR)
        worded = await shelf.search("brass lantern salt", base, mode=SearchMode.KEYWORD)
        assert [one.vector_rank for one in near] == list(range(1, len(near) + 1))
        assert [one.keyword_rank for one in worded] == list(range(1, len(worded) + 1))
        both = await shelf.search("brass lantern salt", base, weights=weights)
        expected = fused(
            [one.chunk_id for one in near], [(one.chunk_id, one.covered or 0.0) for one in worded], weights
        )
        assert [one.chunk_id for one in both] == expected
        places = {one.chunk_id: one.vector_rank for one in near}
        assert all(one.vector_rank == places[one.chunk_id] for one in both)

    async def test_half_of_the_words_count_a_quarter(self, shelf: Shelf) -> None:
        """The nearest passage has none of the words, the second one of two: 0.7 / 6 against 0.7 / 7 + 0.3 / 4 / 7."""
        base = await shelf.base()
        chunks = await shelf.document(base, "Nothing of that here.", "The zephyr turns.", "A quorum sits.")
        vectors = [[math.cos(turn), math.sin(turn)] + [0.0] * 382 for turn in (0.0, 0.3, 0.6)]
        rows = [
            VectorRow(one.id, base.id, one.document_id, True, one.text, vector)
            for one, vector in zip(chunks, vectors, strict=True)
        ]
        await shelf.store.put(shelf.tenant_id, INDEX, rows)
        query = await shelf.query("zephyr quorum", base, weights=Weights(keyword=0.3, k=5))
        found = await shelf.store.search(shelf.tenant_id, replace(query, vector=vectors[0]))
        assert [one.covered for one in sorted(found, key=lambda one: one.vector_rank or 0)] == [
            None, pytest.approx(0.5), pytest.approx(0.5)]  # fmt: skip
        assert found[0].chunk_id == chunks[0].id

    async def test_no_more_than_asked_for_and_the_same_each_time(self, shelf: Shelf) -> None:
        base, _ = await shelf.filled()
        once = await shelf.search("lantern", base, first=2)
        assert len(once) == 2
        assert [one.chunk_id for one in await shelf.search("lantern", base, first=2)] == [one.chunk_id for one in once]

    async def test_only_the_bases_and_documents_that_are_named_are_searched(self, shelf: Shelf) -> None:
        base, _ = await shelf.filled()
        other = await shelf.base(name="other")
        [hidden] = await shelf.document(other, "Another lantern altogether.")
        await shelf.put([hidden])
        second = await shelf.document(base, "A second document has a lantern.")
        await shelf.put(second)
        assert hidden.text not in await shelf.texts("lantern", base)
        assert hidden.text in await shelf.texts("lantern", base, other)
        assert await shelf.texts("lantern", base, document_ids=(second[0].document_id,)) == [second[0].text]
        assert await shelf.search("lantern", document_ids=(second[0].document_id,)) == []

    async def test_another_tenants_passages_are_not_found_by_their_ids(self, shelf: Shelf) -> None:
        base, _ = await shelf.filled()
        stranger = await replace(shelf, tenant_id=TenantId(new_id()), chunks=[]).open()
        for mode in SearchMode:
            assert await stranger.search("lantern", base, mode=mode) == []

    async def test_what_is_switched_off_is_not_near(self, shelf: Shelf) -> None:
        base, chunks = await shelf.filled()
        await shelf.switch(chunks[0], enabled=False)
        assert PASSAGES[0] not in await shelf.texts("lantern", base, mode=SearchMode.VECTOR)
        await shelf.switch(chunks[0], enabled=True)
        assert (await shelf.texts("brass lantern", base, mode=SearchMode.VECTOR))[0] == PASSAGES[0]

    async def test_a_row_that_is_written_again_is_replaced(self, shelf: Shelf) -> None:
        base, chunks = await shelf.filled()
        await shelf.put(chunks)
        hits = await shelf.search("lantern", base, mode=SearchMode.VECTOR)
        assert len({one.chunk_id for one in hits}) == len(hits) == len(PASSAGES)
        moved = [0.0] * 383 + [1.0]
        row = VectorRow(chunks[1].id, base.id, chunks[1].document_id, True, chunks[1].text, moved)
        await shelf.store.put(shelf.tenant_id, INDEX, [row])
        query = replace(await shelf.query("x", base, mode=SearchMode.VECTOR, first=1), vector=moved)
        [hit] = await shelf.store.search(shelf.tenant_id, query)
        assert hit.chunk_id == chunks[1].id
        assert math.isclose(hit.vector_score or 0, 1.0, abs_tol=1e-3)

    async def test_an_index_of_another_model_is_another_index(self, shelf: Shelf) -> None:
        base, chunks = await shelf.filled()
        newer = IndexKey("newer", 512)
        shelf.embedder = HashedEmbedder(512, name="newer")
        assert await shelf.search("lantern", base, index=newer, mode=SearchMode.VECTOR) == []
        await shelf.put(chunks[:2], newer)
        found = await shelf.search("lantern", base, index=newer, mode=SearchMode.VECTOR)
        assert {one.chunk_id for one in found} == {one.id for one in chunks[:2]}
        shelf.embedder = HashedEmbedder()
        assert len(await shelf.search("lantern", base, mode=SearchMode.VECTOR)) == len(PASSAGES)
