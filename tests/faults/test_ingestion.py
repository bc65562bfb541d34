"""Large documents whose embedding is killed again and again: they end as if nothing had been, and are paid for once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

import httpx
import pytest

from schema.ids import decode_id
from tests.fakes.behaviour import Exchange
from tests.faults.author import Author, Started
from tests.faults.books import accounts, imbalances
from tests.faults.figures import measured
from tests.faults.library import MODEL, NOVEL_BYTES, EmbeddingServer, Library, Passage, Volume, vector_of, volumes
from tests.faults.product import Product
from tests.pace import slowness
from workers.ingestion import BATCH

KILLS = 5
CALLS_BETWEEN = 5
"""Of the provider, from one kill to the next."""
DELAY_S = 0.15
TAKEN_IN_S = 60.0
_BILLED = "select job_id, input_tokens, cost_micros from app.usage_records where job_id = any($1) and billed"


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingServer]:
    async with EmbeddingServer(DELAY_S) as one:
        yield one


async def bring(library: Library, books: Sequence[Volume]) -> list[Started]:
    """All of them, in the order of their titles."""
    return list(await asyncio.gather(*(library.put(book) for book in books)))


async def killed_while_embedding(
    product: Product, library: Library, server: EmbeddingServer, title_of: Mapping[str, str]
) -> Counter[str]:
    """Kill the worker in a call with the novel, some calls later; the texts that may be sent again because of that.

    They are, of each document that was being embedded, the batch that was sent last.
    """
    old, number = product.pid("worker"), len(server.exchanges) + CALLS_BETWEEN
    async with asyncio.timeout(TAKEN_IN_S * slowness()):
        while title_of[(await server.exchange(number)).body["input"][0]] != "novel.txt":
            number += 1
    product.strike("worker")
    states = await library.states()
    at_work = {title for title, (state, _) in states.items() if state == "EMBEDDING"}
    assert "novel.txt" in at_work, states
    last: dict[str, Exchange] = {title_of[exchange.body["input"][0]]: exchange for exchange in server.exchanges}
    assert any(last[title].ending != "complete" for title in at_work if title in last)
    await product.replaced("worker", old)
    return Counter(text for title in at_work if title in last for text in last[title].body["input"])


async def billed(author: Author, documents: Sequence[Started]) -> Counter[int]:
    """Tokens of each document's job, which has one usage record, by the document's place."""
    ids = [decode_id("Job", one.job_id) for one in documents]
    async with author.database() as database:
        rows = await database.fetch(_BILLED, ids)
    assert len(rows) == len(documents) and all(row["cost_micros"] > 0 for row in rows)
    return Counter({ids.index(row["job_id"]): row["input_tokens"] for row in rows})


def deviations(passages: Sequence[Passage], whole: Sequence[Passage]) -> list[str]:
    """In what chunks and vectors are not as those of the undisturbed run."""
    mine, due = Counter(passages), Counter(whole)
    return [f"missing: {one!r:.200}" for one in due - mine] + [f"too many: {one!r:.200}" for one in mine - due]


async def test_documents_whose_embedding_is_killed_five_times_are_as_if_it_was_not_and_paid_for_once(
    product: Product, http: httpx.AsyncClient, server: EmbeddingServer
) -> None:
    books = volumes()
    assert len(next(book.content for book in books if book.name == "novel.txt")) >= NOVEL_BYTES
    titles = [book.name for book in books]
    author, other = await Author.newcomer(product, http), await Author.newcomer(product, http)

    calm = await Library.open(product, author, http, server, MODEL)
    began = time.monotonic()
    undisturbed = await bring(calm, books)
    took = await calm.ended(titles, TAKEN_IN_S * slowness()) - began
    assert set((await calm.states()).values()) == {("READY", None)}
    whole = await calm.passages()
    title_of = {one.text: one.title for one in whole}
    assert Counter(server.texts) == Counter(one.text for one in whole)
    read = await calm.texts()
    assert len(title_of) == len(whole) and all(read[one.title][one.start : one.end] == one.text for one in whole)
    assert {one.title for one in whole} == set(titles)
    assert all(one.vector is not None and one.vector == _kept(one.text) for one in whole)
    measured("four books undisturbed: until READY", f"{took:.1f} s, {len(whole)} chunks")

    server.exchanges.clear()
    library = await Library.open(product, other, http, server, MODEL)
    began = time.monotonic()
    disturbed = await bring(library, books)
    excused: Counter[str] = Counter()
    for _ in range(KILLS):
        excused += await killed_while_embedding(product, library, server, title_of)
    took = await library.ended(titles, TAKEN_IN_S * slowness()) - began
    again = Counter(server.texts) - Counter(list(title_of))
    measured(f"the same, worker killed -9 {KILLS} times: until READY", f"{took:.1f} s")
    measured("  passages sent again", f"{again.total()}, of {excused.total()} that were under way at a kill")

    assert set((await library.states()).values()) == {("READY", None)}
    assert deviations(await library.passages(), whole) == [] and await library.texts() == read
    assert set(server.texts) == set(title_of)
    assert again - excused == Counter() and excused.total() <= KILLS * BATCH * len(books)
    due, paid = await billed(author, undisturbed), await billed(other, disturbed)
    spared = (due - paid).total()
    measured("  tokens that were embedded and not billed", f"{spared} of {due.total()}")
    assert due.total() == sum(map(len, title_of))
    assert paid == due, "nothing is billed twice, and nothing is not"
    assert await accounts(other, disturbed) == await accounts(author, undisturbed)
    assert await imbalances(author) == await imbalances(other) == []


def _kept(text: str) -> str:
    return "[" + ",".join(map(str, vector_of(text))) + "]"
