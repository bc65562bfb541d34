"""The vectors of the corpus, kept so that the bench takes seconds: `python -m bench.retrieval.vectors` makes them anew.

The file is gzipped; in it are half-precision numbers, 384 a text, of the passages and then of the questions.
"""

from __future__ import annotations

import asyncio
import gzip
import struct
from collections.abc import Sequence

from adapters.embedder_built_in import BuiltInEmbedder
from bench.retrieval.corpus import HERE, Corpus, read

FILE = HERE / "vectors.f16.gz"
DIMENSIONS = 384
_ROW = struct.Struct(f"<{DIMENSIONS}e")

Vector = tuple[float, ...]


def kept(corpus: Corpus) -> tuple[list[Vector], list[Vector]]:
    """Vectors of the passages and of the questions. Raises ValueError when the file is not of this corpus."""
    data = gzip.decompress(FILE.read_bytes())
    rows = list(_ROW.iter_unpack(data))
    if len(rows) != len(corpus.passages) + len(corpus.questions):
        raise ValueError("the corpus has changed: run `python -m bench.retrieval.vectors`")
    return rows[: len(corpus.passages)], rows[len(corpus.passages) :]


async def embedded(texts: Sequence[str], *, query: bool) -> list[Vector]:
    embedder = BuiltInEmbedder()
    found: list[Vector] = []
    for start in range(0, len(texts), embedder.batch_max):
        batch = texts[start : start + embedder.batch_max]
        found += (await embedder.embed(batch, query=query)).vectors
    await embedder.aclose()
    return found


async def make(corpus: Corpus) -> None:
    passages = await embedded([one.text for one in corpus.passages], query=False)
    questions = await embedded([one.text for one in corpus.questions], query=True)
    data = b"".join(_ROW.pack(*row) for row in [*passages, *questions])
    FILE.write_bytes(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    asyncio.run(make(read()))
