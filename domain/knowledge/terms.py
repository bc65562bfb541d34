"""The words of a question that can find a passage.

A question is a sentence, and most of its words are in every passage or in none. Latin words are looked for stemmed;
runs of Chinese, Japanese and Korean become pairs of neighbouring characters, as the index has them. A pair made of
function words finds nothing and is left out; one with a function word in it counts for less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from domain.text import CJK_RUN, WORD

TERMS_MAX = 48
"""Of a longer question the first ones are taken."""
HALF_EMPTY = 0.3
NAME = 1.5
_FUNCTION = frozenset(
    "的了吗呢吧啊着过是在和与或及被把从向对为于以之其这那哪谁何什么怎如多少几个个有没也都就还又很会能可要得地里上下中到去来"
    "他她它们我你您让给用由而但并请问时候样种些哪"
)
_ASKING = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been by can could did do does for from had has have how in is it its of on or s so than"
        " that the their them then there they this to was were what when where which who whom whose why will with"
        " would you your",
    )
)
_QUOTED = re.compile(r"[“\"「『《]([^”\"」』》]{1,60})[”\"」』》]")


class TermKind(StrEnum):
    """How a term is looked for."""

    WORD = "WORD"
    PAIR = "PAIR"
    GLYPH = "GLYPH"


@dataclass(frozen=True, slots=True)
class Term:
    """`weight` multiplies what its rarity gives."""

    text: str
    kind: TermKind
    weight: float = 1.0


def terms_of(question: str) -> list[Term]:
    """In the question's order, each once; empty for one without words."""
    found: dict[str, Term] = {}
    for match in re.finditer(f"{CJK_RUN.pattern}|{WORD.pattern}", question):
        run = match.group()
        for term in _pairs(run) if CJK_RUN.fullmatch(run) else _words(run, question[: match.start()]):
            found.setdefault(term.text, term)
    return list(found.values())[:TERMS_MAX]


def names_of(question: str) -> list[str]:
    """What the question quotes, and its capitalised words and numbers: these must stand in a passage as they are."""
    quoted = [match.group(1) for match in _QUOTED.finditer(question)]
    words = [term.text for term in terms_of(question) if term.kind is TermKind.WORD and term.weight > 1]
    return list(dict.fromkeys([*quoted, *words]))


def _pairs(run: str) -> list[Term]:
    if len(run) == 1:
        return [] if run in _FUNCTION else [Term(run, TermKind.GLYPH)]
    pairs = (run[place : place + 2] for place in range(len(run) - 1))
    return [
        Term(pair, TermKind.PAIR, 1.0 if _FUNCTION.isdisjoint(pair) else HALF_EMPTY)
        for pair in pairs
        if not _FUNCTION.issuperset(pair)
    ]


def _words(word: str, before: str) -> list[Term]:
    if word.lower() in _ASKING:
        return []
    starts = not before.strip() or before.rstrip()[-1] in ".!?。！？"
    is_name = any(map(str.isdigit, word)) or (word[:1].isupper() and not starts)
    return [Term(word.lower(), TermKind.WORD, NAME if is_name else 1.0)]
