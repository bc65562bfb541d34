"""Places in a text: its headings, and the stretches that become chunks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """A line of the text, from `start` to `end`, that is a heading of some level; 1 is the highest."""

    start: int
    end: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Piece:
    """[start, end) in characters of the text; `page` counts from 1; `tokens` are estimated."""

    start: int
    end: int
    heading_path: Sequence[str]
    page: int | None
    tokens: int


def text_hash(text: str) -> bytes:
    """By which equal texts are known to be embedded once."""
    return hashlib.sha256(text.encode()).digest()
