"""Passages that an answer stands on: how a model is shown them, and what its marks then quote.

Each passage has a number, which the model sets behind what it took from there: `[1]`. A mark becomes a citation of the
passage's sentence that is nearest to the words before the mark. The quote is cut out of the document itself, so it
stands there word for word, whatever the model has made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from domain.ids import ChunkId, SourceDocumentId
from domain.text import cjk_runs

CITATIONS_MAX = 100
QUOTE_CHARS_MAX = 400
MARK_CHARS_MAX = 40
CLAIM_CHARS_MAX = 400

MARK = re.compile(r"[\[【] ?\d{1,3}(?: ?[,，、] ?\d{1,3}){0,5} ?[\]】]")
_SENTENCE = re.compile(r"[^\n]*?(?:[.!?…]+[\"”’)\]]*(?=\s|$)|[。！？…]+[”’」』）]*|(?=\n)|$)")
_END = re.compile(r"[.!?…。！？][\"”’)\]」』）]*$")
_WORD = re.compile(r"[^\W_]+")
_COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "are",
        "was",
        "were",
        "who",
        "whom",
        "whose",
        "what",
        "when",
        "where",
        "which",
        "why",
        "how",
        "does",
        "did",
        "this",
        "that",
        "these",
        "those",
        "with",
        "from",
        "into",
        "its",
        "his",
        "her",
        "their",
        "has",
        "have",
        "had",
        "not",
        "but",
        "you",
        "your",
        "about",
        "tell",
    ]
)
"""Words that every text has: two texts have nothing in common by them."""
_FENCED = re.compile(r"^\[(\d{1,3})\] [^\n]*\n<<<\n(.*?)\n>>>$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Passage:
    """`text` is what the model reads, `source` what stands in the document from `start` on: they differ where a chunk
    was edited."""

    alias: int
    chunk_id: ChunkId
    document_id: SourceDocumentId
    title: str
    text: str
    source: str
    start: int

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Passage:
        ids = {"chunk_id": UUID(kept["chunk_id"]), "document_id": UUID(kept["document_id"])}
        return cls(**{**kept, **ids})

    @property
    def label(self) -> str:
        """What its job's evidence calls it."""
        return f"E{self.alias}"

    def kept(self) -> dict[str, Any]:
        """As it is stored with its generation."""
        return {**asdict(self), "chunk_id": str(self.chunk_id), "document_id": str(self.document_id)}


@dataclass(frozen=True, slots=True)
class Cited:
    """A mark at [start, end) of the answer, and the quote at [span_start, span_end) of the document."""

    rank: int
    passage: Passage
    start: int
    end: int
    quote: str
    span_start: int
    span_end: int


# -- what the model is shown -----------------------------------------------------------------------------------------


def fenced(material: str) -> str:
    """Material between fences that it cannot close: longer runs of their signs are shortened."""
    inside = re.sub(r"([<>])\1{2,}", r"\1\1", material)
    return f"<<<\n{inside}\n>>>"


def shown(passage: Passage) -> str:
    """A passage as it stands in a prompt. Its title is one line, which opens no fence."""
    title = re.sub(r"([<>])\1{2,}", r"\1\1", " ".join(passage.title.split()))
    return f"[{passage.alias}] {title}\n{fenced(passage.text)}"


def read_shown(prompt: str) -> list[tuple[int, str]]:
    """(number, text) of each passage in a prompt."""
    return [(int(found[1]), found[2]) for found in _FENCED.finditer(prompt)]


# -- sentences -------------------------------------------------------------------------------------------------------


def sentences(text: str) -> list[tuple[int, int]]:
    """Where sentences stand, without blanks around them. Lines that end as no sentence does are among them."""
    found = []
    for match in _SENTENCE.finditer(text):
        part = match[0]
        start = match.start() + len(part) - len(part.lstrip())
        end = match.start() + len(part.rstrip())
        if start < end:
            found.append((start, end))
    return found


def terms(text: str) -> set[str]:
    """What two texts can have in common: words without their endings, and pairs of CJK characters."""
    folded = text.casefold()
    words = (word for word in _WORD.findall(folded) if word.isascii() and len(word) > 2)
    found = {_stem(word) for word in words if word not in _COMMON}
    for run in cjk_runs(folded):
        found.update(run[at : at + 2] for at in range(max(len(run) - 1, 1)))
    return found


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def best_sentence(text: str, *wanted: str) -> tuple[int, int] | None:
    """The span of the sentence nearest to the first of the wanted texts, by the next ones where that decides nothing.

    Headings, and other lines that end as no sentence does, only where there is nothing else.
    """
    found = sentences(text)
    whole = [span for span in found if _END.search(text[slice(*span)]) and text[span[0]] != "#"] or found
    if not whole:
        return None
    sought = [terms(one) for one in wanted]

    def nearness(span: tuple[int, int]) -> tuple[float, ...]:
        own = terms(text[slice(*span)])
        return tuple(len(own & one) / max(len(own), 1) ** 0.5 for one in sought)

    start, end = max(whole, key=nearness)  # the first of equals
    return start, min(end, start + QUOTE_CHARS_MAX)


# -- what its marks quote --------------------------------------------------------------------------------------------


class MarkReader:
    """Reads the marks of an answer as it is written: each once, as soon as it is whole.

    A number that no passage has is no citation. Equal texts give equal citations, in whatever pieces they come.
    """

    def __init__(self, passages: Sequence[Passage], question: str) -> None:
        self._passages = {one.alias: one for one in passages}
        self._question = question
        self._text = ""
        self._from = 0
        self._rank = 0
        self._after_mark = 0

    def feed(self, more: str) -> list[Cited]:
        if not self._passages:
            return []
        self._text += more
        found: list[Cited] = []
        for mark in MARK.finditer(self._text, self._from):
            found.extend(self._cited(mark))
            self._from = self._after_mark = mark.end()
        self._from = max(self._from, len(self._text) - MARK_CHARS_MAX)
        return found

    def _cited(self, mark: re.Match[str]) -> Iterator[Cited]:
        claim = _claim(self._text[max(self._after_mark, mark.start() - CLAIM_CHARS_MAX) : mark.start()])
        for number in dict.fromkeys(int(one) for one in re.findall(r"\d+", mark[0])):
            passage = self._passages.get(number)
            span = best_sentence(passage.source, claim, self._question) if passage is not None else None
            if passage is None or span is None or self._rank >= CITATIONS_MAX:
                continue
            self._rank += 1
            start, end = passage.start + span[0], passage.start + span[1]
            quote = passage.source[slice(*span)]
            yield Cited(self._rank, passage, mark.start(), mark.end(), quote, start, end)


def _claim(before: str) -> str:
    """The sentence that a mark stands behind, be it before or after its full stop."""
    spans = sentences(before)
    return before[slice(*spans[-1])] if spans else before


def cited(text: str, passages: Sequence[Passage], question: str) -> list[Cited]:
    """All citations of a whole answer."""
    return MarkReader(passages, question).feed(text)
