"""What of a chunk its words are looked for in, and how a question asks for them.

Chinese is cut by the server, as `gse_ch` does. Latin words are cut by `word`, which knows no other forms of a word, so
they are written and asked for without their endings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.knowledge.rerank import stem
from domain.knowledge.terms import Term, TermKind, terms_of
from domain.text import CJK_RUN

_POSSESSIVE = re.compile(r"['’]s\b")
_LATIN = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Words:
    """`han` are the Chinese, Japanese and Korean runs, `latin` the stems of all other words, with blanks between."""

    han: str
    latin: str


def words_of(text: str) -> Words:
    return Words(" ".join(CJK_RUN.findall(text)), " ".join(_stems(CJK_RUN.sub(" ", text))))


def question_of(text: str) -> str:
    """What is asked for. Empty when no word of it can find anything."""
    terms = terms_of(text)
    latin = [word for term in terms if term.kind is TermKind.WORD for word in _stems(term.text)]
    han = CJK_RUN.findall(text) if any(term.kind is not TermKind.WORD for term in terms) else []
    return " ".join([*han, *latin])


def covered(question: str, found: Sequence[Words]) -> list[float]:
    """Which part of the question's words each has, from 0 to 1; rarity is that among what was found."""
    terms = terms_of(question)
    stems = [set(words.latin.split()) for words in found]
    held = [[_has(term, words.han, known) for term in terms] for words, known in zip(found, stems, strict=True)]
    weights = [
        term.weight * _rarity(sum(row[n] for row in held), len(found)) for n, term in enumerate(terms)
    ]  # fmt: skip
    total = sum(weights) or 1.0
    return [sum(weight for weight, has in zip(weights, row, strict=True) if has) / total for row in held]


def _has(term: Term, han: str, stems: set[str]) -> bool:
    if term.kind is not TermKind.WORD:
        return term.text in han
    return stems.issuperset(_stems(term.text))


def _stems(text: str) -> list[str]:
    return [stem(word) for word in _LATIN.findall(_POSSESSIVE.sub("", text.lower()))]


def _rarity(count: int, of: int) -> float:
    return math.log(1 + (of - count + 0.5) / (count + 0.5))
