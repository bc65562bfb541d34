"""Texts become vectors: the ports, and what every answer must be before anything is built on it.

Embedders of providers are asked through `Patient`, which paces calls, tries again where that may help, and limits time.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from domain.channels.entities import Channel, Modality
from domain.channels.offers import Offer
from domain.errors import ErrorCode, Rejected
from domain.generation.provider import (
    EmbeddingProvider,
    Embeddings,
    ProviderError,
    ProviderErrorCode,
    UsageReport,
    UsageSource,
)
from domain.ids import TenantId
from domain.text import estimated_tokens

BUILT_IN = "multilingual-e5-small"
"""The model that needs no key: it runs in the process."""
HASHED = "hash"
"""For tests: words are the same when they are written the same, and nothing has a meaning."""
DIMENSIONS = {
    BUILT_IN: 384,
    HASHED: 384,
    "text-embedding-3-small": 1_536,
    "text-embedding-3-large": 3_072,
    "text-embedding-ada-002": 1_536,
    "text-embedding-v3": 1_024,
    "text-embedding-v4": 1_024,
    "gemini-embedding-001": 3_072,
}
"""How long the vectors of well-known models are, when no other length is asked for."""
INDEXED_DIMENSIONS = (384, 512, 768, 1_024, 1_536, 3_072)
"""The lengths that a store is ready for."""
TRIES = 4
CALL_S = 20.0
QUERY_S = 2.5
"""For a query's one call: who sends a message waits 3 s for passages, and words are to be looked for in the rest."""
QUERY_WAIT_S = 2.0
"""So long a query waits for its turn; one that would wait longer is refused at once."""
PAUSE_S = 0.5
PAUSE_S_MAX = 20.0


class Embedder(Protocol):
    """One model. `offer` is the channel that it is reached through and paid by, None for one that costs nothing."""

    @property
    def name(self) -> str: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def batch_max(self) -> int:
        """How many texts one call takes."""
        ...

    @property
    def offer(self) -> Offer | None: ...

    async def embed(self, texts: Sequence[str], *, query: bool) -> Embeddings:
        """One vector a text; a `query` is not embedded as a passage is. Raises ProviderError."""
        ...


class Embedders(Protocol):
    async def find(self, tenant_id: TenantId, model: str, dimensions: int) -> Embedder:
        """The model as the tenant may use it. Raises NoEmbedder."""
        ...


class NoEmbedder(Rejected):
    def __init__(self, model: str) -> None:
        super().__init__(ErrorCode.NO_CHANNEL, f"No channel of yours offers the embedding model {model}.")


def embedding_offer(channels: Sequence[Channel], model: str) -> Offer:
    """Of the channels that embed by this model, the one with the highest priority. Raises NoEmbedder."""
    offers = [
        Offer(channel, offer)
        for channel in channels
        if (offer := channel.model_named(model)) is not None and Modality.EMBEDDING in offer.modalities
    ]
    if not offers:
        raise NoEmbedder(model)
    return max(offers, key=lambda one: (one.channel.priority, not one.channel.of_platform, str(one.channel.id)))


class WrongDimensions(ProviderError):
    """The model's vectors are of another length than its index. Asking again changes nothing."""

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(
            ProviderErrorCode.INVALID_RESPONSE, "The embedding model's vectors do not fit the knowledge base.",
            detail=f"{found} dimensions where {expected} were expected",
        )  # fmt: skip

    @property
    def retryable(self) -> bool:
        return False


def checked(found: Embeddings, count: int, dimensions: int) -> Embeddings:
    """The same, if it can be true. Raises ProviderError: WrongDimensions, or INVALID_RESPONSE."""
    if len(found.vectors) != count:
        raise _unusable(f"{len(found.vectors)} vectors for {count} texts")
    for vector in found.vectors:
        if len(vector) != dimensions:
            raise WrongDimensions(dimensions, len(vector))
        if not all(map(math.isfinite, vector)):
            raise _unusable("a vector has a number that is none")
        if not any(vector):
            raise _unusable("a vector is zero")
    return found


def _unusable(detail: str) -> ProviderError:
    return ProviderError(
        ProviderErrorCode.INVALID_RESPONSE, "The embedding model gave an answer that cannot be used.", detail=detail
    )


@dataclass(eq=False)
class Pace:
    """So many calls and tokens a minute, in this process. None is no limit. `sleep` and `clock` are asyncio's own."""

    calls_per_minute: int | None = None
    tokens_per_minute: int | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _free_at: float = field(default=0.0, init=False)

    async def wait(self, tokens: int, now: float, longest_s: float = math.inf) -> None:
        """Until a call may be made; what it takes is taken at once, so that calls line up.

        Raises ProviderError(RATE_LIMITED) at once when that would be longer. Who leaves the line gives back its share.
        """
        share = 60 * max(1 / self.calls_per_minute if self.calls_per_minute else 0.0,
                         tokens / self.tokens_per_minute if self.tokens_per_minute else 0.0)  # fmt: skip
        begin = max(self._free_at, now)
        if begin - now > longest_s:
            raise ProviderError(
                ProviderErrorCode.RATE_LIMITED, "The embedding model is busy.", retry_after_s=begin - now,
                detail=f"{begin - now:.1f} s behind others on this channel",
            )  # fmt: skip
        self._free_at = begin + share
        if begin > now:
            try:
                await self.sleep(begin - now)
            except asyncio.CancelledError:
                self._free_at -= share
                raise


@dataclass(eq=False)
class Patient:
    """An embedder of a provider, as a channel offers it. A query, for which a person waits, is asked for once."""

    dimensions: int
    provider: EmbeddingProvider
    offer: Offer
    pace: Pace = field(default_factory=Pace)
    call_s: float = CALL_S
    query_s: float = QUERY_S

    @property
    def name(self) -> str:
        return self.offer.model.name

    @property
    def batch_max(self) -> int:
        return self.provider.embedding_batch_max

    async def embed(self, texts: Sequence[str], *, query: bool) -> Embeddings:
        if query:
            return await self._once(texts, QUERY_WAIT_S, self.query_s)
        for tried in range(1, TRIES + 1):
            try:
                return await self._once(texts, math.inf, self.call_s)
            except ProviderError as error:
                if not error.retryable or tried == TRIES:
                    raise
                await self.pace.sleep(pause_s(tried, error.retry_after_s))
        raise AssertionError("the last try returns or raises")

    async def _once(self, texts: Sequence[str], wait_s: float, call_s: float) -> Embeddings:
        guessed = sum(map(estimated_tokens, texts))
        await self.pace.wait(guessed, asyncio.get_running_loop().time(), wait_s)
        shorter = None if DIMENSIONS.get(self.name, self.dimensions) == self.dimensions else self.dimensions
        try:
            async with asyncio.timeout(call_s):
                found = await self.provider.embed(texts, self.offer.model.upstream, shorter)
        except TimeoutError:
            raise ProviderError(
                ProviderErrorCode.TIMEOUT, "The embedding model did not answer in time.",
                detail=f"no answer within {call_s:g} s",
            ) from None  # fmt: skip
        usage = found.usage or UsageReport(guessed, 0, source=UsageSource.ESTIMATE)
        return checked(Embeddings(found.vectors, usage), len(texts), self.dimensions)

    async def aclose(self) -> None:
        await self.provider.aclose()


def pause_s(tried: int, retry_after_s: float | None) -> float:
    """Before the next try: twice as long each time, never all at once, and as the provider says where it does."""
    longest = min(PAUSE_S * 2**tried, PAUSE_S_MAX)
    return min(max(retry_after_s or 0.0, random.uniform(longest / 2, longest)), PAUSE_S_MAX)
