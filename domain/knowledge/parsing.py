"""What a reader makes of a document: one normalized text, and where its headings and pages begin."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.knowledge.pieces import Heading, Piece
from domain.knowledge.policies import ChunkPolicy

CHARACTERS_MAX = 10_000_000
"""Of one document's text."""
CHUNKS_MAX = 50_000
"""Of one document: twice what the longest one comes to as it is cut by default."""
SOURCE_BYTES_MAX = 100 * 1024 * 1024
"""Of what a document is read from."""
PLAIN, MARKDOWN = "text/plain", "text/markdown"


@dataclass(frozen=True, slots=True)
class Parsed:
    """`pages` are the offsets at which pages begin; empty where the format has none."""

    text: str
    headings: Sequence[Heading] = ()
    pages: Sequence[int] = ()
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A document as it came: its bytes in parts, what it says it is, and what its file was called."""

    parts: AsyncIterable[bytes]
    mime: str
    name: str = ""


async def in_one(content: bytes) -> AsyncIterator[bytes]:
    yield content


@dataclass(frozen=True, slots=True)
class Reading:
    """A document read and cut; `pages` as in `Parsed`."""

    text: str
    pages: Sequence[int]
    language: str | None
    pieces: Sequence[Piece]


class Reader(Protocol):
    async def read(self, source: Source, policy: ChunkPolicy) -> Reading:
        """Raises IngestFailed for what cannot be read. Cancelling it ends the work at once."""
        ...
