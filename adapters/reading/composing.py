"""One normalized text from what a format holds, with the places of its headings and pages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from domain.knowledge.entities import DocumentErrorCode
from domain.knowledge.failures import IngestFailed
from domain.knowledge.parsing import CHARACTERS_MAX, Parsed
from domain.knowledge.pieces import Heading
from domain.knowledge.structure import plain_headings

_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029\v\f]")
_DROPPED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff]")
_BLANKS = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")
_TRAILING = re.compile(r"[ \t　]+(?=\n|$)")
_GAPS = re.compile(r"\n{4,}")
_CJK = re.compile("[㐀-䶿一-鿿]")
_KANA = re.compile("[぀-ヿ]")
_HANGUL = re.compile("[가-힯]")
_LETTER = re.compile("[A-Za-z]")
SAMPLE_CHARS = 20_000


def normalized(text: str) -> str:
    """Composed, with line feeds alone between lines, and without what cannot be seen."""
    if len(text) > CHARACTERS_MAX * 2:
        raise IngestFailed(DocumentErrorCode.TOO_LONG)
    text = _LINE_ENDS.sub("\n", text)
    text = _BLANKS.sub(" ", _DROPPED.sub("", text))
    return _GAPS.sub("\n\n\n", _TRAILING.sub("", unicodedata.normalize("NFC", text)))


def language_of(text: str) -> str | None:
    """The language that most of a text's beginning is in, as far as its letters tell."""
    sample = text[:SAMPLE_CHARS]
    counts = {
        "zh": len(_CJK.findall(sample)),
        "ja": 3 * len(_KANA.findall(sample)),
        "ko": len(_HANGUL.findall(sample)),
        "en": len(_LETTER.findall(sample)) // 3,
    }
    most = max(counts, key=lambda one: counts[one])
    return most if counts[most] else None


class Composer:
    """Blocks in their order become one text, with a blank line between two of them."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []
        self._pages: list[int] = []

    def page(self) -> None:
        """What follows stands on a new page."""
        self._pages.append(self._length + (2 if self._parts else 0))

    def block(self, text: str, level: int | None = None) -> None:
        """A paragraph, or, with a level, a heading."""
        text = normalized(text).strip("\n")
        if level is not None:
            text = " ".join(text.split())
        if not text.strip():
            return
        start = self._length + (2 if self._parts else 0)
        self._parts.append(text)
        self._length = start + len(text)
        if self._length > CHARACTERS_MAX:
            raise IngestFailed(DocumentErrorCode.TOO_LONG)
        if level is not None:
            self._headings.append(Heading(start, self._length, level, text))

    def parsed(self, find: Callable[[str], list[Heading]] = plain_headings) -> Parsed:
        """The whole. Where the format told of no heading, the text itself is looked through."""
        text = "\n\n".join(self._parts)
        if not text.strip():
            raise IngestFailed(DocumentErrorCode.EMPTY)
        pages = [min(one, len(text)) for one in self._pages]
        return Parsed(text, self._headings or find(text), pages, language_of(text))
