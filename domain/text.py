"""What a text is: limits, cleaning, counting words in Chinese and English, estimating tokens."""

from __future__ import annotations

import math
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
CJK_RUN = re.compile(f"[{_CJK}]+")
WORD = re.compile(rf"[^\W_{_CJK}]+(?:['’\-][^\W_{_CJK}]+)*")
_LETTER = rf"[^\W_{_CJK}]"
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters other than tab and line ends, and halves of surrogate pairs."""

CJK_TOKENS_PER_CHAR = 1.5
LATIN_TOKENS_PER_CHAR = 0.25


def word_count(text: str) -> int:
    """Words as a writer counts them: each Chinese, Japanese or Korean character, and each Latin word."""
    return len(_CJK_CHAR.findall(text)) + len(WORD.findall(text))


def cjk_share(text: str) -> float:
    """The part of a text's words, as a writer counts them, that are Chinese, Japanese or Korean characters."""
    return len(_CJK_CHAR.findall(text)) / max(word_count(text), 1)


def estimated_tokens(text: str) -> int:
    """Tokens without a tokenizer: 1.5 a CJK character, 0.25 any other; rounded up."""
    return math.ceil(token_weight(text))


def token_weight(text: str) -> float:
    """The same before it is rounded: weights of pieces add up to that of the whole."""
    cjk = len(_CJK_CHAR.findall(text))
    return cjk * CJK_TOKENS_PER_CHAR + (len(text) - cjk) * LATIN_TOKENS_PER_CHAR


def clean_line(value: str, field: str, *, chars_max: int = TITLE_CHARS_MAX, required: bool = True) -> str:
    """One line of text, trimmed. Raises Rejected with EMPTY, TOO_LONG or INVALID_CHARACTERS."""
    line = clean_text(value, field, chars_max=chars_max).strip()
    if required and not line:
        raise Rejected(ErrorCode.EMPTY, "This must not be empty.", "input", field)
    if len(line.splitlines()) > 1:
        raise Rejected(ErrorCode.INVALID_CHARACTERS, "This must be a single line.", "input", field)
    return line


def clean_filter(value: str | None, field: str) -> str | None:
    """What a list is narrowed by: one line, which may be empty. None stays None. Raises as `clean_line` does."""
    return clean_line(value, field, required=False) if value is not None else None


def clean_text(value: str, field: str, *, chars_max: int = TEXT_CHARS_MAX) -> str:
    """Any text, in Unicode's composed form, of which the limit holds: composing can shorten a text, or lengthen it.

    Control characters and lone surrogates are refused, not dropped.
    """
    text = unicodedata.normalize("NFC", value)
    if len(text) > chars_max:
        raise Rejected(ErrorCode.TOO_LONG, f"At most {chars_max:,} characters.", "input", field)
    if refused := _REFUSED.search(text):
        message = f"The character U+{ord(refused[0]):04X} is not allowed."
        raise Rejected(ErrorCode.INVALID_CHARACTERS, message, "input", field)
    return text


def base_language(tag: str) -> str:
    """The first part of a BCP 47 tag: `zh` of `zh-Hans`."""
    return tag.split("-", maxsplit=1)[0].lower()


def is_cjk(language: str) -> bool:
    return base_language(language) in {"zh", "ja", "ko"}


def has_name(text: str, name: str) -> bool:
    """Whether a name stands in a text: as a whole word, but anywhere where CJK characters leave no blanks."""
    if name not in text:
        return False
    before = f"(?<!{_LETTER})" if re.match(_LETTER, name[0]) else ""
    after = f"(?!{_LETTER})" if re.match(_LETTER, name[-1]) else ""
    return re.search(f"{before}{re.escape(name)}{after}", text) is not None


EXCERPT_CHARS = 80


def cjk_runs(text: str) -> list[str]:
    """The stretches of CJK characters in a text, in order, each once."""
    return list(dict.fromkeys(CJK_RUN.findall(text)))


def excerpt(text: str, terms: list[str]) -> str:
    """The surroundings of the first term that occurs, on one line, every term marked as «term»."""
    places = [place for term in terms if (place := text.find(term)) >= 0]
    start = max(0, min(places, default=0) - EXCERPT_CHARS // 4)
    part = " ".join(text[start : start + EXCERPT_CHARS].split())
    longest_first = "|".join(re.escape(term) for term in sorted(terms, key=len, reverse=True))
    return re.sub(longest_first, lambda found: f"«{found[0]}»", part) if terms else part


def tail(text: str, chars_max: int) -> str:
    """The end of a text, at most `chars_max` long, cut at a paragraph edge where there is one."""
    text = text.strip()
    if len(text) <= chars_max:
        return text
    end = text[-chars_max:]
    edge = end.find("\n")
    return (end[edge + 1 :] if 0 <= edge < chars_max // 2 else end).strip()
