"""How well passages are found: `python -m bench.retrieval` prints a Markdown table, `--tune` the choice of weights.

Everything is asked of the product's own store in PostgreSQL, over vectors of the built-in model that are kept in a file.
Weights are chosen on one half of the questions; the table is about the other.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

from bench.retrieval.corpus import Corpus, Kind, Question, read
from bench.retrieval.score import Score, interval, mean, place_of, score
from bench.retrieval.stage import Library, database, library
from bench.retrieval.vectors import Vector, kept
from domain.knowledge.fusion import Weights, fused
from domain.knowledge.rerank import WordOverlap
from domain.knowledge.retrieval import RERANKED_MAX
from domain.knowledge.vectors import SearchMode

DEPTH = 50
METHODS = ("vector", "keyword", "hybrid", "reranked")
KEYWORDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
KS = (1, 2, 5, 10, 20, 60)


@dataclass(frozen=True)
class Answer:
    """A question and the lists of passages that each method gives."""

    question: Question
    near: list[int]
    worded: list[tuple[int, float]]
    ranked: dict[str, list[int]]

    def place(self, method: str) -> int | None:
        return place_of(self.question.passage, self.ranked[method])


async def answers(corpus: Corpus, stage: Library, vectors: Sequence[Vector]) -> list[Answer]:
    return [
        await answer(corpus, stage, question, vector)
        for question, vector in zip(corpus.questions, vectors, strict=True)
    ]


async def answer(corpus: Corpus, stage: Library, question: Question, vector: Vector) -> Answer:
    near, worded, hybrid = [
        await stage.ranked(mode, question.text, vector, DEPTH)
        for mode in (SearchMode.VECTOR, SearchMode.KEYWORD, SearchMode.HYBRID)
    ]
    lists = [[number for number, _ in found] for found in (near, worded, hybrid)]
    lists.append(reranked(corpus, question, lists[-1], WordOverlap()))
    return Answer(question, lists[0], worded, dict(zip(METHODS, lists, strict=True)))


def reranked(corpus: Corpus, question: Question, ranked: Sequence[int], reranker: WordOverlap) -> list[int]:
    head = ranked[:RERANKED_MAX]
    return [head[place] for place in reranker.order(question.text, [corpus.passages[one].text for one in head])]


# -- tuning ----------------------------------------------------------------------------------------------------------


def tuned(corpus: Corpus, found: Sequence[Answer]) -> None:
    """The best weights by the mean reciprocal rank: first of the fusion, then of the reranker over that."""
    tried = [Weights(keyword, k) for keyword, k in product(KEYWORDS, KS)]
    best = _best("fusion", [(_mrr(found, partial(_fused, weights=weights)), weights) for weights in tried])
    _best("reranker", [(_mrr(found, partial(_ordered, corpus, best, weights)), weights) for weights in tried])


def _fused(one: Answer, weights: Weights) -> list[int]:
    return fused(one.near, one.worded, weights)


def _ordered(corpus: Corpus, best: Weights, weights: Weights, one: Answer) -> list[int]:
    return reranked(corpus, one.question, _fused(one, best), WordOverlap(weights))


def _mrr(found: Sequence[Answer], ranked: Callable[[Answer], list[int]]) -> float:
    return score([place_of(one.question.passage, ranked(one)) for one in found]).mrr


def _best(what: str, tried: Sequence[tuple[float, Weights]]) -> Weights:
    ordered = sorted(tried, key=lambda one: -one[0])
    print(f"{what}:")
    for value, weights in ordered[:8]:
        print(f"  {value:.4f}  keyword={weights.keyword} k={weights.k}")
    return ordered[0][1]


# -- the table -------------------------------------------------------------------------------------------------------


def groups(found: Sequence[Answer]) -> dict[str, list[Answer]]:
    """Those of each row of the table."""
    split = {"all": list(found)}
    split |= {
        name: [one for one in found if one.question.language == code]
        for code, name in (("en", "English"), ("zh", "Chinese"))
    }
    split |= {kind.value: [one for one in found if one.question.kind is kind] for kind in Kind}
    return split


def table(found: Sequence[Answer]) -> str:
    lines = ["| Questions | Method | recall@1 | 95 % interval | recall@3 | MRR |", "|---|---|--:|---|--:|--:|"]
    for name, members in groups(found).items():
        row = f"{name} ({len(members)})"
        lines += [_line(row, method, score([one.place(method) for one in members])) for method in METHODS]
    return "\n".join(lines)


def _line(name: str, method: str, one: Score) -> str:
    low, high = one.interval
    return f"| {name} | {method} | {one.recall_1:.1%} | {low:.1%} to {high:.1%} | {one.recall_3:.1%} | {one.mrr:.3f} |"


def differences(found: Sequence[Answer]) -> str:
    """Hybrid against each of the two that it is made of, question by question."""
    lines = ["| Questions | Hybrid against | recall@1 | 95 % interval |", "|---|---|--:|---|"]
    for name in ("all", Kind.NAME.value):
        members = groups(found)[name]
        for method in ("vector", "keyword"):
            gains = [(one.place("hybrid") == 1) - (one.place(method) == 1) for one in members]
            low, high = interval(gains)
            lines.append(f"| {name} | {method} | {mean(gains):+.1%} | {low:+.1%} to {high:+.1%} |")
    return "\n".join(lines)


async def run(*, tune: bool) -> None:
    corpus = read()
    passages, questions = kept(corpus)
    async with database() as settings:
        found = await answers(corpus, await library(settings, corpus, passages), questions)
    if tune:
        tuned(corpus, [one for one in found if not one.question.held_out])
        return
    held_out = [one for one in found if one.question.held_out]
    print(f"{len(corpus.passages)} passages; {len(held_out)} held-out questions of {len(found)}.\n")
    print(table(held_out), "\n")
    print(differences(held_out))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tune", action="store_true", help="show the best weights on the tuning half")
    asyncio.run(run(tune=parser.parse_args().tune))
