"""Weaviate behind the port: by the suite, and in its own ways.

The server is a fake on the client's own protocol, unless WEAVIATE_URL names a real one.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator

import pytest

from domain.knowledge.vectors import IndexKey, VectorRow
from persistence.unit_of_work import Units
from persistence.weaviate import store as weaviate_store
from persistence.weaviate.collections import index_of, name_of
from persistence.weaviate.failures import IndexAway, IndexMissing, IndexRefused
from persistence.weaviate.link import Link, Server
from persistence.weaviate.store import WeaviateStore
from persistence.weaviate.words import Words, covered, question_of, words_of
from tests.fakes.weaviate_server import VERSION, FakeWeaviate
from tests.persistence.vector_store_suite import INDEX, PASSAGES, Shelf, VectorStoreSuite


@pytest.fixture(scope="module")
async def fake() -> AsyncIterator[FakeWeaviate]:
    async with FakeWeaviate() as one:
        yield one


@pytest.fixture(scope="module")
def server(fake: FakeWeaviate) -> Server:
    url = os.environ.get("WEAVIATE_URL", "")
    if not url:
        return Server(fake.url, fake.grpc_url)
    return Server(url, os.environ.get("WEAVIATE_GRPC_URL", ""), os.environ.get("WEAVIATE_API_KEY", ""))


class TestWeaviate(VectorStoreSuite):
    @pytest.fixture
    async def shelf(self, units: Units, server: Server) -> AsyncIterator[Shelf]:
        link = Link(server)
        one = await Shelf(units, WeaviateStore(link)).open()
        yield one
        await WeaviateStore(link).places.drop(one.tenant_id)
        await link.close()


# -- in its own ways -------------------------------------------------------------------------------------------------


@pytest.fixture
async def index() -> AsyncIterator[FakeWeaviate]:
    async with FakeWeaviate() as one:
        yield one


@pytest.fixture
async def own(units: Units, index: FakeWeaviate) -> AsyncIterator[Shelf]:
    link = Link(Server(index.url, index.grpc_url))
    yield await Shelf(units, WeaviateStore(link)).open()
    await link.close()


def store_of(shelf: Shelf) -> WeaviateStore:
    assert isinstance(shelf.store, WeaviateStore)
    return shelf.store


async def test_importing_the_product_imports_no_client() -> None:
    program = "import sys, app.relay, app.wiring, app.work; print('weaviate' in sys.modules, 'grpc' in sys.modules)"
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert (await done.communicate())[0] == b"False False\n"


async def test_a_collection_is_made_as_the_searches_need_it(own: Shelf, index: FakeWeaviate) -> None:
    await own.filled()
    [(name, made)] = index.index.classes.items()
    assert name == name_of(INDEX) and index_of(name, made["description"]) == INDEX
    told = {one["name"]: (one["tokenization"], one["indexFilterable"], one["indexSearchable"])
            for one in made["properties"] if one["dataType"] == ["text"]}  # fmt: skip
    assert told == {
        "base_id": ("field", True, False), "document_id": ("field", True, False), "mark": ("field", False, False),
        "han": ("gse_ch", False, True), "latin": ("word", False, True),
    }  # fmt: skip
    assert made["multiTenancyConfig"]["enabled"] is True
    assert made["invertedIndexConfig"]["stopwords"]["preset"] == "none"
    assert made["vectorConfig"]["default"]["vectorIndexConfig"]["distance"] == "cosine"


async def test_models_whose_names_would_read_alike_have_collections_of_their_own() -> None:
    names = {name_of(IndexKey(model, 384)) for model in ("bge-m3", "bge_m3", "BGE-M3", "模型", "a, 3 dimensions.")}
    assert len(names) == 5
    assert all(re.fullmatch("[A-Z][A-Za-z0-9_]{0,254}", name) for name in names)
    assert index_of("Somebodys", None) is None


async def test_two_that_need_the_same_new_place_both_get_it(own: Shelf, index: FakeWeaviate) -> None:
    base = await own.base()
    chunks = await own.document(base, *PASSAGES)
    await asyncio.gather(*(own.put([one]) for one in chunks))
    assert len(index.stored(own.tenant_id)) == len(PASSAGES)


@pytest.mark.parametrize("what", ["search", "put", "remove", "indexed"])
async def test_a_tenant_that_the_server_put_to_sleep_is_woken(own: Shelf, index: FakeWeaviate, what: str) -> None:
    base, chunks = await own.filled()
    index.index.tenants[name_of(INDEX)][str(own.tenant_id)] = "COLD"
    match what:
        case "search":
            assert (await own.texts("brass lantern", base))[0] == PASSAGES[0]
        case "put":
            await own.put(chunks[:1])
        case "remove":
            await store_of(own).remove(own.tenant_id, INDEX, [chunks[0].id])
            assert str(chunks[0].id) not in index.stored(own.tenant_id)
        case _:
            assert len(await store_of(own).kept(own.tenant_id, INDEX)) == len(chunks)
    assert index.index.tenants[name_of(INDEX)][str(own.tenant_id)] == "HOT"


async def test_what_a_server_deletes_in_rounds_is_deleted_to_the_end(own: Shelf, index: FakeWeaviate) -> None:
    _, chunks = await own.filled()
    index.deleted_max = 2
    await store_of(own).remove(own.tenant_id, INDEX, [one.id for one in chunks])
    assert index.stored(own.tenant_id) == {}
    assert index.calls.count("BatchDelete") == 4


@pytest.mark.parametrize("refused", [1, len(PASSAGES)])
async def test_an_object_that_is_not_taken_is_an_error_also_when_the_others_are(
    own: Shelf, index: FakeWeaviate, refused: int
) -> None:
    base = await own.base()
    chunks = await own.document(base, *PASSAGES)
    index.refused |= {str(one.id) for one in chunks[:refused]}
    with pytest.raises(IndexRefused, match="no space left"):
        await own.put(chunks)
    assert len(index.stored(own.tenant_id)) == len(PASSAGES) - refused


async def test_a_vector_of_another_length_than_its_collection_is_refused(own: Shelf) -> None:
    _, chunks = await own.filled()
    row = VectorRow(chunks[0].id, chunks[0].base_id, chunks[0].document_id, True, "x", [1.0, 0.0])
    with pytest.raises(IndexRefused, match="length 2"):
        await own.store.put(own.tenant_id, INDEX, [row])


async def test_where_a_tenant_should_be_its_absence_is_no_answer(own: Shelf) -> None:
    base = await own.base()
    query = await own.query("lantern", base)
    assert await own.store.search(own.tenant_id, query) == []
    with pytest.raises(IndexMissing):
        await store_of(own).find(own.tenant_id, query)


async def test_a_call_that_hangs_is_given_up(own: Shelf, index: FakeWeaviate, monkeypatch: pytest.MonkeyPatch) -> None:
    base, _ = await own.filled()
    monkeypatch.setattr(weaviate_store, "SEARCH_S", 0.2)
    index.held["Search"] = asyncio.Event()
    with pytest.raises(IndexAway):
        await own.search("lantern", base)
    index.held["Search"].set()


async def test_a_server_that_comes_back_is_found_again_through_the_same_link(own: Shelf, index: FakeWeaviate) -> None:
    base, _ = await own.filled()
    await index.stop()
    with pytest.raises(IndexAway):
        await own.search("lantern", base)
    await index.start()
    assert await store_of(own).link.ping() == VERSION
    assert (await own.texts("brass lantern", base))[0] == PASSAGES[0]


@pytest.mark.parametrize(
    ("url", "grpc_url", "rest", "grpc"),
    [
        ("http://index:8080", "", ("index", 8080, False), ("index", 50_051, False)),
        ("https://index", "", ("index", 443, True), ("index", 50_051, True)),
        ("https://index", "https://grpc-index", ("index", 443, True), ("grpc-index", 443, True)),
        ("http://index", "http://other", ("index", 80, False), ("other", 50_051, False)),
    ],
)
def test_both_doors_are_found(
    url: str, grpc_url: str, rest: tuple[str, int, bool], grpc: tuple[str, int, bool]
) -> None:
    assert (Server(url, grpc_url).rest_place, Server(url, grpc_url).grpc_place) == (rest, grpc)


def test_words_are_kept_and_asked_for_in_the_same_form() -> None:
    assert words_of("Oduya's lanterns, 守夜人 burns 灯") == Words("守夜人 灯", "oduya lantern burn")
    assert question_of("Who keeps Oduya's lantern at 守夜人?") == "守夜人 keep oduya lantern"
    assert question_of("的了?!") == "" and question_of("what is it") == ""
    found = [Words("守夜人", "lantern"), Words("", "lantern burn"), Words("", "")]
    once, twice, never = covered("lantern 守夜", found)
    assert (round(once, 3), never) == (1.0, 0.0) and 0 < twice < 0.5
