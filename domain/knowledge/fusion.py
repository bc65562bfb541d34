"""How two lists become one: weighted reciprocal ranks.

A passage scores weight / (k + rank) in each list that has it. Scores of different kinds are never compared: a cosine
and a sum of word weights have no common measure, their places do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

KeyT = TypeVar("KeyT")


@dataclass(frozen=True, slots=True)
class Weights:
    """`keyword` is that of one list against the other's 1 - `keyword`; tuned by bench.retrieval."""

    keyword: float = 0.4
    k: int = 20

    @property
    def vector(self) -> float:
        return 1 - self.keyword


def fused(near: Sequence[KeyT], worded: Sequence[KeyT], weights: Weights) -> list[KeyT]:
    """Both lists as one, the best first. Of equals, the one that comes first in `near`, then in `worded`."""
    scores: dict[KeyT, float] = {}
    for ranked, weight in ((near, weights.vector), (worded, weights.keyword)):
        for rank, key in enumerate(ranked, 1):
            scores[key] = scores.get(key, 0.0) + weight / (weights.k + rank)
    return sorted(scores, key=lambda key: -scores[key])
