"""What a generation is going to cost: low, likely and high, before anything is asked of a model.

The prompt is compiled and counted. How long the answer becomes is learned from the tenant's own answers of the same
model: the part of what was aimed at that they came to. The range is narrow enough to decide by: high is never more
than twice low, and of all ranges so narrow it is the one that most of the answers would have fallen into.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.billing import Price, Usage, cost

SAMPLES_MIN = 8
SAMPLES_MAX = 100
SPREAD_MAX = 2.0
USUAL = (0.7, 1.0, 1.3)
"""Parts of what is aimed at, where too little is known."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One finished answer: what was estimated of it, and what its provider counted."""

    prompt_estimated: int
    prompt_tokens: int
    aimed_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Learned:
    """`prompt` corrects the count of a prompt; the others are parts of the tokens aimed at."""

    prompt: float
    low: float
    likely: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Micros, and the tokens behind `likely`."""

    low: int
    likely: int
    high: int
    prompt_tokens: int
    output_tokens: int


def learned_from(samples: Sequence[Sample]) -> Learned:
    """Of fewer than SAMPLES_MIN answers nothing is learned."""
    usable = [one for one in samples if min(one.prompt_estimated, one.prompt_tokens, one.aimed_tokens) > 0]
    if len(usable) < SAMPLES_MIN:
        return Learned(1.0, *USUAL)
    prompts = sorted(one.prompt_tokens / one.prompt_estimated for one in usable)
    parts = sorted(one.output_tokens / one.aimed_tokens for one in usable)
    low, high = _range(parts)
    likely = parts[len(parts) // 2]
    return Learned(prompts[len(prompts) // 2], low, min(max(likely, low), high), high)


def _range(parts: Sequence[float]) -> tuple[float, float]:
    """The range of ratio SPREAD_MAX that holds most of the sorted parts, with as much room below as above."""
    best, at = 0, 0
    for i, least in enumerate(parts):
        held = sum(least <= one <= least * SPREAD_MAX for one in parts[i:])
        if held > best:
            best, at = held, i
    least, most = parts[at], parts[at + best - 1]
    room = (SPREAD_MAX * least / most) ** 0.5 if most > 0 else 1.0
    return least / room, most * room


def estimated(
    price: Price, learned: Learned, prompt_tokens: int, aimed_tokens: int, output_tokens_max: int
) -> Estimate:
    """`prompt_tokens` as compiled. An answer is never longer than `output_tokens_max`."""
    prompt = round(prompt_tokens * learned.prompt)

    def micros(part: float) -> int:
        return cost(price, Usage(prompt, min(round(aimed_tokens * part), output_tokens_max)))

    likely_tokens = min(round(aimed_tokens * learned.likely), output_tokens_max)
    return Estimate(micros(learned.low), micros(learned.likely), micros(learned.high), prompt, likely_tokens)
