"""A text is cut into pieces: by its structure first, by length then.

No piece lies over a heading or a scene's end, but that what is far too short for a piece of its own begins the next.
Sentences are kept whole where they fit, and a piece may repeat the end of the one before. Together the pieces cover
everything but blanks.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from domain.knowledge.pieces import Heading, Piece
from domain.knowledge.policies import ChunkPolicy, ChunkUnit
from domain.knowledge.structure import breaks_of
from domain.text import estimated_tokens, token_weight

PATH_MAX = 6
"""Headings above a piece that are kept, the outermost first."""
TITLE_CHARS_MAX = 200
SCRAP_SHARE = 40
"""A section is no piece of its own when it is shorter than the longest piece divided by this."""

_CLOSERS = "\"'”’」』）)】》〉\\]"
_ABBREVIATED = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "etc", "e.g", "i.e", "no", "vol", "fig", "cf"}
)
_SENTENCE = re.compile(rf"[。！？!?…]+[{_CLOSERS}]*|\.+[{_CLOSERS}]*(?=\s|$)|\n[ \t　]*(?:\n\s*)+|\n")
_CLAUSES = (re.compile(rf"[，；：、,;:—][{_CLOSERS}]*\s*"), re.compile(r"\s+"))
_WRAPPED_BEFORE = re.compile(r"[A-Za-z0-9,;\-’']$")
_WRAPPED_AFTER = re.compile(r"[A-Za-z0-9\"“‘'(]")
_LAST_WORD = re.compile(r"([A-Za-z][A-Za-z.]*)\.$")

Span = tuple[int, int]
Measure = Callable[[str], float]


def cut(text: str, headings: Sequence[Heading], pages: Sequence[int], policy: ChunkPolicy) -> list[Piece]:
    """The pieces in order. Headings and pages are in order of their offsets in the text."""
    measure: Measure = token_weight if policy.unit is ChunkUnit.TOKENS else len
    pieces: list[Piece] = []
    for (start, end), path in _without_scraps(_sections(text, headings), text, policy.size / SCRAP_SHARE, measure):
        for first, last in _spans(text, start, end, policy, measure):
            page = max(1, bisect_right(pages, first)) if pages else None
            pieces.append(Piece(first, last, path, page, estimated_tokens(text[first:last])))
    return pieces


def _sections(text: str, headings: Sequence[Heading]) -> Iterator[tuple[Span, list[str]]]:
    """Stretches that no piece may leave, with the headings they stand under."""
    starts = {heading.start: heading for heading in headings}
    edges = sorted({0, len(text), *starts, *breaks_of(text)})
    above: list[tuple[int, str]] = []
    for start, end in pairwise(edges):
        if (heading := starts.get(start)) is not None:
            above = [one for one in above if one[0] < heading.level]
            above.append((heading.level, heading.title[:TITLE_CHARS_MAX]))
        yield (start, end), [title for _, title in above[:PATH_MAX]]


def _without_scraps(
    sections: Iterable[tuple[Span, list[str]]], text: str, least: float, measure: Measure
) -> Iterator[tuple[Span, list[str]]]:
    """Sections, each with the scraps before it; it stands under its own headings."""
    begun: int | None = None
    for (start, end), path in sections:
        begun = start if begun is None else begun
        if end == len(text) or measure(text[begun:end].strip()) >= least:
            yield (begun, end), path
            begun = None


def _spans(text: str, start: int, end: int, policy: ChunkPolicy, measure: Measure) -> Iterator[Span]:
    whole = _trimmed(text, start, end)
    if whole is None:
        return
    if measure(text[slice(*whole)]) <= policy.size:
        yield whole
        return
    yield from _packed(list(_units(text, *whole, policy.size, measure)), text, policy, measure)


def _packed(units: Sequence[Span], text: str, policy: ChunkPolicy, measure: Measure) -> Iterator[Span]:
    """As many units as fit; the next piece begins with as many of the last as may be repeated."""
    first = 0
    while first < len(units):
        after = first + 1
        while after < len(units) and measure(text[units[first][0] : units[after][1]]) <= policy.size:
            after += 1
        yield units[first][0], units[after - 1][1]
        if after == len(units):
            return
        following = after
        while (
            following - 1 > first
            and measure(text[units[following - 1][0] : units[after - 1][1]]) <= policy.overlap
            and measure(text[units[following - 1][0] : units[after][1]]) <= policy.size
        ):
            following -= 1
        first = following


def _units(text: str, start: int, end: int, size: int, measure: Measure) -> Iterator[Span]:
    """Sentences without the blanks around them; parts of one that is longer than a piece."""
    for sentence in sentences(text, start, end):
        if measure(text[slice(*sentence)]) <= size:
            yield sentence
        else:
            yield from _parts(text, *sentence, size, measure)


def sentences(text: str, start: int, end: int) -> Iterator[Span]:
    """The sentences between two places, in Chinese and in English, without the blanks around them."""
    began = start
    for found in _SENTENCE.finditer(text, start, end):
        if not _ends(text, began, found):
            continue
        if (span := _trimmed(text, began, found.end())) is not None:
            yield span
        began = found.end()
    if (span := _trimmed(text, began, end)) is not None:
        yield span


def _ends(text: str, began: int, found: re.Match[str]) -> bool:
    """Whether a sentence really ends with what looks like an end."""
    mark = found[0]
    if mark == "\n":  # a line that a narrow page has ended, in a text of words, goes on
        before, after = text[max(began, found.start() - 1) : found.start()], text[found.end() : found.end() + 1]
        return not (_WRAPPED_BEFORE.search(before) and _WRAPPED_AFTER.match(after))
    if mark[0] == "…":
        return mark.strip("…") != "" or text[found.end() : found.end() + 1].isspace()
    if mark == ".":
        word = _LAST_WORD.search(text, max(began, found.start() - 12), found.end())
        return word is None or not (word[1].lower() in _ABBREVIATED or (len(word[1]) == 1 and word[1].isupper()))
    return True


def _parts(text: str, start: int, end: int, size: int, measure: Measure) -> Iterator[Span]:
    """A sentence that is too long, cut where a clause ends, else between words, else anywhere."""
    while start < end:
        most = _fitting(text, start, end, size, measure)
        stop = most if most == end else _seam(text, start, most)
        if (span := _trimmed(text, start, stop)) is not None:
            yield span
        start = stop


def _seam(text: str, start: int, most: int) -> int:
    for pattern in _CLAUSES:
        least = start + (most - start) // 2
        ends = [found.end() for found in pattern.finditer(text, least, most)]
        if ends:
            return ends[-1]
    return most


def _fitting(text: str, start: int, end: int, size: int, measure: Measure) -> int:
    """The furthest place up to which it fits; one character always does."""
    low, high = start + 1, min(end, start + size * 4)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[start:middle]) <= size:
            low = middle
        else:
            high = middle - 1
    return low


def _trimmed(text: str, start: int, end: int) -> Span | None:
    part = text[start:end]
    left = len(part) - len(part.lstrip())
    right = len(part.rstrip())
    return (start + left, start + right) if right > left else None
