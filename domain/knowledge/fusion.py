"""How two lists become one: weighted reciprocal ranks.

A passage scores weight / (k + rank) in each list that has it. Scores of different kinds are never compared: a cosine
and a sum of word weights have no common measure, their places do. But a place by words is worth only what the words
are: first among passages that share a "when" with the question is no merit. So it counts for the square of the part of
the question's words, weighed by how rare they are, that the passage has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

KeyT = TypeVar("KeyT")


@dataclass(frozen=True, slots=True)
class Weights:
    """`keyword` is that of one list against the other's 1 - `keyword`; tuned by bench.retrieval."""

    keyword: float = 0.6
    k: int = 5

    @property
    def vector(self) -> float:
        return 1 - self.keyword


def fused(near: Sequence[KeyT], worded: Sequence[tuple[KeyT, float]], weights: Weights) -> list[KeyT]:
    """Both lists as one, the best first; `worded` says for each passage which part of the words it has, from 0 to 1.

    Of equals, the one that comes first in `near`, then in `worded`.
    """
    scores = {key: weights.vector / (weights.k + rank) for rank, key in enumerate(near, 1)}
    for rank, (key, covered) in enumerate(worded, 1):
        scores[key] = scores.get(key, 0.0) + weights.keyword * covered**2 / (weights.k + rank)
    return sorted(scores, key=lambda key: -scores[key])
