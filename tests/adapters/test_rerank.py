"""Rerankers of providers, against a real HTTP server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from adapters.rerank import ProviderReranker, RerankKind
from domain.generation.provider import ProviderError, ProviderErrorCode
from tests.fakes.wire import closed_port

PASSAGES = ["salt", "lantern", "ferry"]
GOOD = [
    {"index": 1, "relevance_score": 0.9},
    {"index": 2, "relevance_score": 0.1},
    {"index": 0, "relevance_score": 0.5},
]


class FakeReranker:
    """Answers what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.status, self.body, self.pause_s = 200, json.dumps({"results": GOOD}), 0.0
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("authorization"))
        await asyncio.sleep(self.pause_s)
        return web.Response(status=self.status, text=self.body, content_type="application/json")

    def reranker(self, kind: RerankKind = RerankKind.COHERE, **options: Any) -> ProviderReranker:
        return ProviderReranker(kind, self.url, "a-model", "a-key", **options)


@pytest.fixture
async def fake() -> AsyncIterator[FakeReranker]:
    one = FakeReranker()
    app = web.Application()
    app.router.add_post("/rerank", one.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/rerank"
    yield one
    await runner.cleanup()


async def test_passages_come_back_by_their_scores(fake: FakeReranker) -> None:
    assert await fake.reranker().rerank("lamp", PASSAGES) == [1, 0, 2]
    assert fake.asked == [{"model": "a-model", "query": "lamp", "documents": PASSAGES, "top_n": 3}]
    assert fake.keys == ["Bearer a-key"]


async def test_dashscope_is_asked_its_own_way(fake: FakeReranker) -> None:
    fake.body = json.dumps({"output": {"results": GOOD}})
    assert await fake.reranker(RerankKind.DASHSCOPE).rerank("lamp", PASSAGES) == [1, 0, 2]
    assert fake.asked[0]["input"] == {"query": "lamp", "documents": PASSAGES}


async def test_what_the_answer_leaves_out_comes_last_and_no_passage_is_no_call(fake: FakeReranker) -> None:
    fake.body = json.dumps({"results": GOOD[1:2]})
    assert await fake.reranker().rerank("lamp", PASSAGES) == [2, 0, 1]
    assert await fake.reranker().rerank("lamp", []) == []
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        "", "[]", "null", "{}", '{"results": 3}', '{"results": [3]}', '{"results": [{"index": 0}]}',
        '{"results": [{"index": 3, "relevance_score": 1}]}', '{"results": [{"index": -1, "relevance_score": 1}]}',
        '{"results": [{"index": true, "relevance_score": 1}]}', '{"results": [{"index": 0, "relevance_score": NaN}]}',
        '{"results": [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 1}]}',
    ],
)  # fmt: skip
async def test_an_answer_that_cannot_be_true_is_refused(fake: FakeReranker, body: str) -> None:
    fake.body = body
    assert await refused(fake.reranker()) is ProviderErrorCode.INVALID_RESPONSE


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "BAD_REQUEST"),
        (401, "AUTHENTICATION"),
        (404, "MODEL_NOT_FOUND"),
        (429, "RATE_LIMITED"),
        (503, "OVERLOADED"),
    ],
)
async def test_a_status_has_a_code(fake: FakeReranker, status: int, code: str) -> None:
    fake.status = status
    assert await refused(fake.reranker()) is ProviderErrorCode(code)


async def test_a_server_that_is_away_or_silent_is_given_up(fake: FakeReranker) -> None:
    fake.pause_s = 5
    assert await refused(fake.reranker(call_s=0.2)) is ProviderErrorCode.TIMEOUT
    fake.url = f"http://127.0.0.1:{closed_port()}/rerank"
    assert await refused(fake.reranker()) is ProviderErrorCode.UNREACHABLE


async def refused(reranker: ProviderReranker) -> ProviderErrorCode:
    with pytest.raises(ProviderError) as caught:
        await reranker.rerank("lamp", PASSAGES)
    return caught.value.code
