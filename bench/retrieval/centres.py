"""The middles of the built-in model's vectors, by language: `python -m bench.retrieval.centres` makes them anew.

Those of passages come from prose that the bench does not search, those of questions from the tuning half.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import adapters.demo_text
from adapters.embedder_built_in import CENTRES, BuiltInEmbedder
from app.demo_novels import NOVELS
from bench.retrieval.corpus import read

SENTENCES = {"en": ("english.txt", 40), "zh": ("chinese.txt", 18)}
"""Files of sentences, and how long those are that say something."""


def prose(language: str) -> list[str]:
    """Paragraphs of the demo tenant's novels, what their codex says, and sentences of the demo channel."""
    novels = [one for one in NOVELS if one.language.startswith(language)]
    found = [part for one in novels for chapter in one.chapters for part in chapter.text.split("\n\n")]
    found += [chapter.plan for one in novels for chapter in one.chapters]
    found += [entry.summary for one in novels for entry in one.codex]
    name, least = SENTENCES[language]
    lines = (Path(adapters.demo_text.__file__).with_name(name)).read_text(encoding="utf-8").splitlines()
    sentences = [re.sub(r"\{.*?\}", "", line) for line in lines if not line.startswith("#")]
    return [one for one in found if len(one) > least] + [one for one in sentences if len(one) > least]


def main() -> None:
    embedder = BuiltInEmbedder()
    questions = [one for one in read().questions if not one.held_out]
    rows = [embedder.raw(prose(language), query=False).mean(axis=0) for language in ("en", "zh")]
    for language in ("en", "zh"):
        asked = [one.text for one in questions if one.language == language]
        rows.append(embedder.raw(asked, query=True).mean(axis=0))
    np.array(rows, dtype="<f2").tofile(CENTRES)


if __name__ == "__main__":
    main()
