"""The corpus: passages and the questions about them, written for this bench.

A line is a passage. A line that starts with `?` and a letter asks about the passage above it: `?p` in other words, `?n`
by a name that stands in it, `?x` in the other language.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
FILES = {"en": "english.txt", "zh": "chinese.txt"}


class Kind(StrEnum):
    """How a question relates to its passage."""

    PARAPHRASE = "paraphrase"
    NAME = "exact name"
    CROSS = "cross-language"


_KINDS = {"p": Kind.PARAPHRASE, "n": Kind.NAME, "x": Kind.CROSS}


@dataclass(frozen=True, slots=True)
class Passage:
    number: int
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """`passage` is the number of the one that answers it. `language` is the question's own."""

    text: str
    kind: Kind
    language: str
    passage: int

    @property
    def held_out(self) -> bool:
        """Half of the questions, for ever the same, on which nothing is tuned."""
        return sha256(self.text.encode()).digest()[0] % 2 == 1


@dataclass(frozen=True, slots=True)
class Corpus:
    passages: tuple[Passage, ...]
    questions: tuple[Question, ...]


def read() -> Corpus:
    passages: list[Passage] = []
    questions: list[Question] = []
    for language, name in FILES.items():
        for line in (HERE / name).read_text(encoding="utf-8").splitlines():
            if line.startswith("?"):
                kind = _KINDS[line[1]]
                asked_in = language if kind is not Kind.CROSS else "zh" if language == "en" else "en"
                questions.append(Question(line[3:], kind, asked_in, passages[-1].number))
            else:
                passages.append(Passage(len(passages), language, line))
    return Corpus(tuple(passages), tuple(questions))
