"""What a text is: limits, cleaning, counting words in Chinese and English, estimating tokens."""

from __future__ import annotations

import re
import unicodedata

from domain.errors import ErrorCode, Rejected

TITLE_CHARS_MAX = 200
LINE_CHARS_MAX = 500
NOTE_CHARS_MAX = 5_000
INSTRUCTIONS_CHARS_MAX = 20_000
TEXT_CHARS_MAX = 500_000

_CJK = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af"
_CJK_CHAR = re.compile(f"[{_CJK}]")
_CJK_RUN = re.compile(f"[{_CJK}]+")
_WORD = re.compile(rf"[^\W_{_CJK}]+(?:['’\-][^\W_{_CJK}]+)*")
_FORBIDDEN = {"\t", "\n", "\r"}

CJK_TOKENS_PER_CHAR = 1.5
LATIN_TOKENS_PER_CHAR = 0.25


def word_count(text: str) -> int:
    """Words as a writer counts them: each Chinese, Japanese or Korean character, and each Latin word."""
    return len(_CJK_CHAR.findall(text)) + len(_WORD.findall(text))


def estimated_tokens(text: str) -> int:
    """Tokens without a tokenizer: 1.5 a CJK character, 0.25 any other; rounded up."""
    cjk = len(_CJK_CHAR.findall(text))
    return -int(-(cjk * CJK_TOKENS_PER_CHAR + (len(text) - cjk) * LATIN_TOKENS_PER_CHAR) // 1)


def clean_line(value: str, field: str, *, chars_max: int = TITLE_CHARS_MAX, required: bool = True) -> str:
    """One line of text, trimmed. Raises Rejected with EMPTY, TOO_LONG or INVALID_CHARACTERS."""
    line = clean_text(value, field, chars_max=chars_max).strip()
    if required and not line:
        raise Rejected(ErrorCode.EMPTY, "This must not be empty.", "input", field)
    if "\n" in line or "\r" in line:
        raise Rejected(ErrorCode.INVALID_CHARACTERS, "This must be a single line.", "input", field)
    return line


def clean_text(value: str, field: str, *, chars_max: int = TEXT_CHARS_MAX) -> str:
    """Any text, in Unicode's composed form. Control characters and lone surrogates are refused, not dropped."""
    if len(value) > chars_max:
        raise Rejected(ErrorCode.TOO_LONG, f"At most {chars_max:,} characters.", "input", field)
    for character in value:
        if character not in _FORBIDDEN and unicodedata.category(character) in {"Cc", "Cs"}:
            raise Rejected(
                ErrorCode.INVALID_CHARACTERS, f"The character U+{ord(character):04X} is not allowed.", "input", field
            )
    return unicodedata.normalize("NFC", value)


def is_cjk(language: str) -> bool:
    return language.split("-", maxsplit=1)[0].lower() in {"zh", "ja", "ko"}


EXCERPT_CHARS = 80


def cjk_runs(text: str) -> list[str]:
    """The stretches of CJK characters in a text, in order, each once."""
    return list(dict.fromkeys(_CJK_RUN.findall(text)))


def excerpt(text: str, terms: list[str]) -> str:
    """The surroundings of the first term that occurs, on one line, every term marked as «term»."""
    places = [place for term in terms if (place := text.find(term)) >= 0]
    start = max(0, min(places, default=0) - EXCERPT_CHARS // 4)
    part = " ".join(text[start : start + EXCERPT_CHARS].split())
    for term in sorted(terms, key=len, reverse=True):
        part = part.replace(term, f"«{term}»")
    return part


def tail(text: str, chars_max: int) -> str:
    """The end of a text, at most `chars_max` long, cut at a paragraph edge where there is one."""
    if len(text) <= chars_max:
        return text.strip()
    end = text[-chars_max:]
    edge = end.find("\n")
    return (end[edge + 1 :] if 0 <= edge < chars_max // 2 else end).strip()
