"""What lists of passages are worth: recall@1, recall@3 and the mean reciprocal rank, with bootstrap intervals."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 2_000
SEED = 5


@dataclass(frozen=True, slots=True)
class Score:
    """Shares from 0 to 1 over `count` questions; `interval` is that of recall@1, 95 of 100 times."""

    count: int
    recall_1: float
    recall_3: float
    mrr: float
    interval: tuple[float, float]


def place_of(wanted: int, ranked: Sequence[int]) -> int | None:
    """The place of the wanted passage, from 1; None when it was not found."""
    return ranked.index(wanted) + 1 if wanted in ranked else None


def score(places: Sequence[int | None]) -> Score:
    first = [place == 1 for place in places]
    return Score(
        len(places), mean(first), mean([place is not None and place <= 3 for place in places]),
        mean([1 / place if place is not None else 0.0 for place in places]), interval(first),
    )  # fmt: skip


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The middle 95 of 100 means of samples of the values, drawn with replacement."""
    draw = random.Random(SEED)
    means = sorted(mean(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[RESAMPLES * 25 // 1000], means[RESAMPLES * 975 // 1000 - 1]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
