"""An embedder without a model: texts are near that share words. For tests, which need vectors and no meaning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b

from domain.channels.offers import Offer
from domain.generation.provider import Embeddings, UsageReport, UsageSource
from domain.knowledge.embedding import HASHED
from domain.knowledge.terms import terms_of
from domain.text import estimated_tokens


class HashedEmbedder:
    """`asked` counts the texts that were embedded."""

    def __init__(self, dimensions: int = 384, *, name: str = HASHED, offer: Offer | None = None) -> None:
        self.name = name
        self.dimensions = dimensions
        self.batch_max = 32
        self.offer = offer
        self.asked = 0

    async def embed(self, texts: Sequence[str], *, query: bool) -> Embeddings:
        self.asked += len(texts)
        tokens = sum(map(estimated_tokens, texts))
        return Embeddings(
            tuple(self._vector(text) for text in texts), UsageReport(tokens, 0, source=UsageSource.ESTIMATE)
        )

    def _vector(self, text: str) -> tuple[float, ...]:
        sums = [0.0] * self.dimensions
        for word in [one.text for one in terms_of(text)] or [text]:
            digest = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "big")
            sums[digest % self.dimensions] += 1.0 if digest >> 63 else -1.0
        if not any(sums):
            sums[0] = 1.0
        norm = math.sqrt(sum(one * one for one in sums))
        return tuple(one / norm for one in sums)
