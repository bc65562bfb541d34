"""Books to be taken in, who brings them to a knowledge base over the API, and what became of them in PostgreSQL."""

from __future__ import annotations

import asyncio
import hashlib
import random
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urljoin

import httpx
from aiohttp import web

from domain.knowledge.embedding import HASHED
from schema.ids import decode_id
from tests.adapters.documents import epub, pdf, word
from tests.fakes.behaviour import Exchange
from tests.fakes.openai_server import FakeOpenAI
from tests.faults.author import Author, Started
from tests.faults.product import Product, eventually

MODEL = "text-embedding-v4"
DIMENSIONS = 1_024
NOVEL_BYTES = 5_000_000
_MARKS = 64
"""Numbers of a vector that are not zero."""

UPLOAD = """
mutation ($input: UploadCreateInput!) {
  uploadCreate(input: $input) { upload { id url method headers } userErrors { code } }
}
"""
COMPLETE = """
mutation ($input: UploadCompleteInput!) { uploadComplete(input: $input) { file { id } userErrors { code } } }
"""
BASE = """
mutation ($input: KnowledgeBaseCreateInput!) {
  knowledgeBaseCreate(input: $input) { knowledgeBase { id } userErrors { code message } }
}
"""
DOCUMENT = """
mutation ($input: DocumentCreateInput!) {
  documentCreate(input: $input) { document { id job { id } } userErrors { code } }
}
"""
CHANNEL = """
mutation ($input: ChannelCreateInput!) { channelCreate(input: $input) { channel { id } userErrors { code message } } }
"""
_PASSAGES = """
select d.title, c.position, c.text, c.start_char, c.end_char, c.page, c.heading_path::text, v.vector::text
from app.knowledge_chunks c
join app.knowledge_documents d on d.id = c.document_id
left join app.chunk_vectors v on v.chunk_id = c.id
where c.base_id = $1 order by d.title, c.position
"""


class Volume(NamedTuple):
    """A file, by its name."""

    name: str
    content: bytes


class Passage(NamedTuple):
    """A chunk as it is kept, with its vector."""

    title: str
    position: int
    text: str
    start: int
    end: int
    page: int | None
    headings: str
    vector: str | None


class Refusal(Exception):
    """What the API says no to; `code` is its code."""

    def __init__(self, where: str, code: str) -> None:
        super().__init__(f"{where}: {code}")
        self.where, self.code = where, code


class EmbeddingServer(FakeOpenAI):
    """OpenAI's embeddings over HTTP: a vector that its text decides, after a while; a character is a token."""

    def __init__(self, delay_s: float) -> None:
        super().__init__()
        self._delay_s = delay_s

    @property
    def texts(self) -> list[str]:
        """All that were sent, as often as they were."""
        return [text for exchange in self.exchanges for text in exchange.body["input"]]

    async def _vectors(self, _request: web.Request, exchange: Exchange) -> web.StreamResponse:
        await asyncio.sleep(self._delay_s)
        texts = exchange.body["input"]
        vectors: list[tuple[int, list[Any]]] = [(place, vector_of(text)) for place, text in enumerate(texts)]
        return web.json_response(self.embeddings(vectors, sum(map(len, texts))))


def vector_of(text: str) -> list[int]:
    """No two texts have the same."""
    marks = hashlib.shake_256(text.encode()).digest(2 * _MARKS)
    numbers = [0] * DIMENSIONS
    for place, mark in zip(range(0, DIMENSIONS, DIMENSIONS // _MARKS), marks, strict=False):
        numbers[place] = mark + 1
    return numbers


# -- the books ----------------------------------------------------------------------------------------------------

_WHO = ["守灯人", "摆渡的老汉", "茶铺的女儿", "信使阿林", "盐商", "木匠", "书院的先生", "戏班的小生", "更夫"]
_WHEN = ["天还没亮", "雨停以后", "第一声钟响", "雪落到一半", "灯油将尽", "潮水退了", "集市散去", "月亮偏西"]
_WHERE = ["在渡口", "在石桥边", "在旧仓里", "在城墙下", "在河湾处", "在后院", "在半山亭", "在巷口"]
_DID = ["收起一张旧船票", "把铜钥匙埋进土里", "听见了墙后的脚步", "数完最后一袋米", "把信烧了一角", "推开西厢的门"]
_SAID = ["“别回头。”", "“明日再说。”", "“船已经走了。”", "“我记得这声音。”", "“账要一笔一笔算。”", "没有人答话。"]
_DIGITS = "零一二三四五六七八九"
_LINES = ["The ferry was late", "A lamp went out on the stairs", "The ledger had a page too many", "Rain fell on salt"]


def _number(number: int) -> str:
    return "".join(_DIGITS[int(digit)] for digit in str(number))


def novel(size: int = NOVEL_BYTES, seed: int = 7) -> bytes:
    """So many bytes of a novel in Chinese, or a few more: chapters of five scenes, and no sentence twice."""
    chance, parts, written, told = random.Random(seed), [], 0, 0
    chapter = 0
    while written < size:
        chapter += 1
        scenes = []
        for _ in range(5):
            paragraphs = []
            for _ in range(9):
                sentences = []
                for _ in range(6):
                    told += 1
                    pick = chance.choice
                    head = f"第{_number(told)}日，{pick(_WHEN)}，{pick(_WHO)}{pick(_WHERE)}{pick(_DID)}，"
                    sentences.append(f"{head}{pick(_WHO)}说：{pick(_SAID)}")
                paragraphs.append("".join(sentences))
            scenes.append("\n\n".join(paragraphs))
        parts.append(f"第{_number(chapter)}章 {chance.choice(_WHERE)[1:]}\n\n" + "\n\n***\n\n".join(scenes))
        written += len(parts[-1].encode()) + 2
    return "\n\n".join(parts).encode()


def _leaves(book: str, number: int) -> list[str]:
    return [f"{_LINES[line % 4]} in {book}, leaf {number}, line {line}. " * 2 for line in range(20)]


def volumes() -> list[Volume]:
    """The four that are to be taken in."""
    written: list[str | tuple[str, str]] = []
    for number in range(60):
        written += [(f"Chapter {number}", "Top"), *_leaves("the report", number)]
    pages = [
        f"<html><body><h1>Part {number}</h1>{''.join(f'<p>{one}</p>' for one in _leaves('the tale', number))}</body></html>"
        for number in range(60)
    ]
    return [
        Volume("lamps.pdf", pdf(100)), Volume("novel.txt", novel()), Volume("report.docx", word(*written)),
        Volume("tale.epub", epub(*pages)),
    ]  # fmt: skip


# -- who brings them ----------------------------------------------------------------------------------------------


class Library:
    """A knowledge base of an author's tenant."""

    def __init__(self, product: Product, author: Author, http: httpx.AsyncClient, base: str) -> None:
        self._product = product
        self._author = author
        self._http = http
        self._base = base

    @classmethod
    async def open(
        cls,
        product: Product,
        author: Author,
        http: httpx.AsyncClient,
        server: EmbeddingServer | None = None,
        model: str = HASHED,
    ) -> Library:
        """A new base; with a server, the tenant's own channel offers it the model."""
        if server is not None:
            channel = {
                "name": "Embeddings", "provider": "OPENAI_COMPATIBLE", "baseUrl": server.base_url, "apiKey": "k",
                "models": [model], "modelDetails": [{"name": model, "modalities": ["EMBEDDING"]}],
            }  # fmt: skip
            made = await author.graphql(CHANNEL, input=channel)
            assert made["channelCreate"]["userErrors"] == [], made
        policy = {"unit": "CHARACTERS", "size": 2_000, "overlap": 0}
        wanted = {"name": "Library", "embeddingModel": model, "chunkPolicy": policy}
        made = (await author.graphql(BASE, input=wanted))["knowledgeBaseCreate"]
        assert made["userErrors"] == [], made
        return cls(product, author, http, made["knowledgeBase"]["id"])

    async def claim(self, name: str, size: int) -> dict[str, Any]:
        """Leave to send so many bytes. Raises Refusal."""
        asked = {"fileName": name, "size": size, "purpose": "KNOWLEDGE"}
        return dict(_granted("uploadCreate", await self._author.graphql(UPLOAD, input=asked))["upload"])

    async def put(self, volume: Volume) -> Started:
        """Upload a file and have it taken in. Raises Refusal."""
        upload = await self.claim(volume.name, len(volume.content))
        place = urljoin(self._product.ready["url"], upload["url"])
        sent = await self._http.request(upload["method"], place, content=volume.content, headers=upload["headers"])
        if sent.status_code != 204:
            raise Refusal("upload", sent.json()["code"])
        asked = {"uploadId": upload["id"], "sha256": hashlib.sha256(volume.content).hexdigest()}
        file = _granted("uploadComplete", await self._author.graphql(COMPLETE, input=asked))["file"]
        wanted = {"knowledgeBaseId": self._base, "fileId": file["id"], "title": volume.name}
        made = await self._author.graphql(DOCUMENT, input={**wanted, "idempotencyKey": uuid.uuid4().hex})
        document = _granted("documentCreate", made)["document"]
        return Started(document["id"], document["job"]["id"])

    async def states(self) -> dict[str, tuple[str, str | None]]:
        """State and error code of each document, by its title."""
        async with self._author.database() as database:
            rows = await database.fetch(
                "select title, state, error_code from app.knowledge_documents where base_id = $1", self._id
            )
        return {row["title"]: (row["state"], row["error_code"]) for row in rows}

    async def ended(self, titles: Sequence[str], timeout_s: float) -> float:
        """Until these are READY or FAILED; when that was, in monotonic seconds."""

        async def all_ended() -> bool:
            states = await self.states()
            return all(states[title][0] in ("READY", "FAILED") for title in titles)

        return await eventually(all_ended, f"{titles} are READY or FAILED", timeout_s)

    async def passages(self) -> list[Passage]:
        """Every chunk of the base, in order, once for each of its vectors."""
        async with self._author.database() as database:
            return [Passage(*row) for row in await database.fetch(_PASSAGES, self._id)]

    async def texts(self) -> dict[str, str]:
        """The whole text of each document, by its title."""
        async with self._author.database() as database:
            rows = await database.fetch("select title, text from app.knowledge_documents where base_id = $1", self._id)
        return {row["title"]: row["text"] for row in rows}

    @property
    def _id(self) -> uuid.UUID:
        return decode_id("KnowledgeBase", self._base)


def _granted(field: str, answer: dict[str, Any]) -> dict[str, Any]:
    payload: dict[str, Any] = answer[field]
    if payload["userErrors"]:
        raise Refusal(field, payload["userErrors"][0]["code"])
    return payload
