"""Rerankers of providers: Cohere's way of asking, which Jina, vLLM and others speak too, and DashScope's own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from adapters.http_errors import failure
from domain.generation.provider import ProviderErrorCode

CALL_S = 5.0
"""A person waits for it, and the order without it is good."""
ANSWER_BYTES_MAX = 1 << 20
_STATUS = {
    400: ProviderErrorCode.BAD_REQUEST,
    422: ProviderErrorCode.BAD_REQUEST,
    401: ProviderErrorCode.AUTHENTICATION,
    403: ProviderErrorCode.AUTHENTICATION,
    404: ProviderErrorCode.MODEL_NOT_FOUND,
    408: ProviderErrorCode.TIMEOUT,
    429: ProviderErrorCode.RATE_LIMITED,
}


class RerankKind(StrEnum):
    """How a server is asked."""

    COHERE = "COHERE"
    DASHSCOPE = "DASHSCOPE"


class ProviderReranker:
    """Implements `domain.knowledge.rerank.Reranker`. `url` is the whole address that is posted to."""

    def __init__(self, kind: RerankKind, url: str, model: str, api_key: str | None, *, call_s: float = CALL_S) -> None:
        self.name = model
        self._kind = kind
        self._url = url
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._call_s = call_s

    async def rerank(self, query: str, passages: Sequence[str]) -> list[int]:
        """Passages that the answer leaves out come last, in the order they had. Raises ProviderError."""
        if not passages:
            return []
        import httpx

        try:
            async with (
                asyncio.timeout(self._call_s),
                httpx.AsyncClient(follow_redirects=False, timeout=self._call_s) as client,
            ):
                answer = await client.post(self._url, json=self._body(query, passages), headers=self._headers)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise failure(ProviderErrorCode.TIMEOUT, detail=f"no answer within {self._call_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failure(ProviderErrorCode.UNREACHABLE, detail=str(error)) from error
        if answer.status_code != 200:
            code = _STATUS.get(answer.status_code, ProviderErrorCode.OVERLOADED)
            raise failure(code, detail=f"status {answer.status_code}")
        return _order(self._results(answer), len(passages))

    def _body(self, query: str, passages: Sequence[str]) -> dict[str, Any]:
        if self._kind is RerankKind.COHERE:
            return {"model": self.name, "query": query, "documents": list(passages), "top_n": len(passages)}
        return {
            "model": self.name,
            "input": {"query": query, "documents": list(passages)},
            "parameters": {"top_n": len(passages), "return_documents": False},
        }

    def _results(self, answer: Any) -> list[Any]:
        try:
            if len(answer.content) > ANSWER_BYTES_MAX:
                raise ValueError("the answer is too long")
            said = answer.json()
            if self._kind is RerankKind.DASHSCOPE:
                said = said["output"]
            return list(said["results"])
        except (ValueError, KeyError, TypeError) as error:
            raise failure(ProviderErrorCode.INVALID_RESPONSE, detail=str(error)) from error


def _order(results: Sequence[Any], count: int) -> list[int]:
    """By score, the best first. Raises ProviderError for places that are none, or that come twice."""
    scores: dict[int, float] = {}
    for one in results:
        place, score = _entry(one)
        if not 0 <= place < count or place in scores:
            raise failure(ProviderErrorCode.INVALID_RESPONSE, detail=f"place {place} of {count}")
        scores[place] = score
    ranked = sorted(scores, key=lambda place: -scores[place])
    return [*ranked, *(place for place in range(count) if place not in scores)]


def _entry(one: Any) -> tuple[int, float]:
    if isinstance(one, Mapping):
        place, score = one.get("index"), one.get("relevance_score")
        if type(place) is int and isinstance(score, int | float) and math.isfinite(score):
            return place, float(score)
    raise failure(ProviderErrorCode.INVALID_RESPONSE, detail="a result without a place or a score")
