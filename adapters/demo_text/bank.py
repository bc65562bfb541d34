"""Reads what the demo engine can say in a language from `english.txt` or `chinese.txt`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Language = Literal["en", "zh"]
_FILES: Mapping[Language, str] = {"en": "english.txt", "zh": "chinese.txt"}


@dataclass(frozen=True, slots=True)
class Bank:
    """`sentences` by kind, `words` by slot; `dialogues` are lines that belong together, blank lines between them."""

    language: Language
    people: Sequence[str]
    places: Sequence[str]
    things: Sequence[str]
    words: Mapping[str, Sequence[str]]
    openings: Sequence[str]
    plain_openings: Sequence[str]
    sentences: Mapping[str, Sequence[str]]
    dialogues: Sequence[str]
    closings: Sequence[str]


@cache
def bank(language: Language) -> Bank:
    sections = _sections((Path(__file__).parent / _FILES[language]).read_text(encoding="utf-8"))
    lines = {name: body.splitlines() for name, body in sections.items()}
    return Bank(
        language=language,
        people=lines["people"],
        places=lines["places"],
        things=lines["things"],
        words=_under("word ", lines),
        openings=lines["opening"],
        plain_openings=lines["plain opening"],
        sentences=_under("sentence ", lines),
        dialogues=[dialogue.replace("\n", "\n\n") for dialogue in sections["dialogue"].split("\n\n")],
        closings=lines["closing"],
    )


def _sections(text: str) -> dict[str, str]:
    """Bodies by the names behind "# "; what stands before the first is a remark."""
    parts = (part.partition("\n") for part in text.split("\n# ")[1:])
    return {name: body.strip() for name, _, body in parts}


def _under(prefix: str, lines: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {name.removeprefix(prefix): body for name, body in lines.items() if name.startswith(prefix)}
