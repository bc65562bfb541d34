"""The last order of what a search found: the port, and the reranker that needs no model.

The reranker by words counts what share of the question's words a passage has. A word of few passages counts for more
than one of most, and what must stand as it is written - names, numbers, what the question quotes - for most. It
looks at writing alone, so a passage in another language has nothing to show: its place in the list it came in counts
as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from domain.knowledge.fusion import Weights, fused
from domain.knowledge.terms import Term, TermKind, names_of, terms_of

NAME_SHARE = 0.5
"""What the names of a question count for, against all of its words."""


class Reranker(Protocol):
    @property
    def name(self) -> str: ...

    async def rerank(self, query: str, passages: Sequence[str]) -> list[int]:
        """The places of the passages, the best first; each exactly once. Raises ProviderError."""
        ...


@dataclass(frozen=True, slots=True)
class WordOverlap:
    """`weights` say how much the words count against the order in which passages come."""

    weights: Weights = field(default_factory=lambda: Weights(keyword=0.6, k=2))
    name: str = "word overlap"

    async def rerank(self, query: str, passages: Sequence[str]) -> list[int]:
        return self.order(query, passages)

    def order(self, query: str, passages: Sequence[str]) -> list[int]:
        scores = overlaps(query, passages)
        worded = sorted(((place, one) for place, one in enumerate(scores) if one > 0), key=lambda pair: -pair[1])
        return fused(range(len(passages)), worded, self.weights)


def overlaps(query: str, passages: Sequence[str]) -> list[float]:
    """From 0 for a passage without any of the query's words to 1 for one with all of them."""
    terms, names = terms_of(query), [name.lower() for name in names_of(query)]
    lowered = [passage.lower() for passage in passages]
    held = [[_has(term, passage) for term in terms] for passage in lowered]
    rarity = [_rarity(sum(row[n] for row in held), len(passages)) * term.weight for n, term in enumerate(terms)]
    total = sum(rarity) or 1.0
    scores = []
    for passage, row in zip(lowered, held, strict=True):
        words = sum(weight for weight, has in zip(rarity, row, strict=True) if has) / total
        named = sum(name in passage for name in names) / len(names) if names else words
        scores.append(words * (1 - NAME_SHARE) + named * NAME_SHARE)
    return scores


def _has(term: Term, passage: str) -> bool:
    """A Latin word without its ending is enough: `lanterns` asks for `lantern` too."""
    if term.kind is not TermKind.WORD:
        return term.text in passage
    return stem(term.text) in passage


def stem(word: str) -> str:
    """The word without the commonest endings, never shorter than three letters. Names lose nothing by it."""
    for ending in ("ing", "ies", "ed", "es", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _rarity(count: int, of: int) -> float:
    return math.log(1 + (of - count + 0.5) / (count + 0.5))
