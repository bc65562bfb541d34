"""What the shape of a plain text tells: chapters, parts, scenes, and Markdown's own headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.knowledge.pieces import Heading

HEADING_CHARS_MAX = 60
"""A longer line that begins like a chapter is a sentence about one."""

_NUMBER = "[0-9０-９〇零一二三四五六七八九十百千两]+"
_ENGLISH_NUMBER = (
    r"(?:\d+|[ivxlcdm]+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen"
    r"|sixteen|seventeen|eighteen|nineteen|twenty(?:-\w+)?|thirty(?:-\w+)?|forty(?:-\w+)?|fifty(?:-\w+)?)"
)
_LEVELS: Sequence[tuple[int, re.Pattern[str]]] = (
    (1, re.compile(rf"第\s*{_NUMBER}\s*[卷部集册](?:\s.*|[：:·].*|[^。！？，；]*)$")),
    (2, re.compile(rf"第\s*{_NUMBER}\s*[章回篇](?:\s.*|[：:·].*|[^。！？，；]*)$")),
    (3, re.compile(rf"第\s*{_NUMBER}\s*[节幕](?:\s.*|[：:·].*|[^。！？，；]*)$")),
    (2, re.compile(r"(?:序章|楔子|序言|前言|引子|尾声|终章|后记|番外)(?:\s.*|[：:·].*)?$")),
    (1, re.compile(rf"(?:part|book|volume)\s+{_ENGLISH_NUMBER}(?:\s*[.:\-–—].*)?$", re.IGNORECASE)),
    (2, re.compile(rf"chapter\s+{_ENGLISH_NUMBER}(?:\s*[.:\-–—].*|\s+[A-Z].*)?$", re.IGNORECASE)),
    (2, re.compile(r"(?:prologue|epilogue|foreword|preface|afterword|introduction)(?:\s*[.:\-–—].*)?$", re.IGNORECASE)),
    (3, re.compile(rf"scene\s+{_ENGLISH_NUMBER}(?:\s*[.:\-–—].*)?$", re.IGNORECASE)),
)
_BREAK = re.compile(
    r"[ \t　]*(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,}|(?:#[ \t]*)|[※◇◆☆★○●]+(?:[ \t　]*[※◇◆☆★○●]+)*|⁂)[ \t　]*$"
)
_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Line:
    start: int
    end: int
    text: str


def lines_of(text: str) -> Iterator[Line]:
    """The lines of a normalized text, which ends them with a line feed alone."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield Line(start, end, text[start:end])
        start = end + 1


def level_of(line: str) -> int | None:
    """The level of a line that is a part's, a chapter's or a scene's heading."""
    stripped = line.strip(" \t　")
    if not stripped or len(stripped) > HEADING_CHARS_MAX:
        return None
    return next((level for level, pattern in _LEVELS if pattern.match(stripped)), None)


def plain_headings(text: str) -> list[Heading]:
    """The headings of a text without markup; `#` before a line is taken for one as well."""
    return list(_headings(text, setext=False))


def markdown_headings(text: str) -> list[Heading]:
    """Those of Markdown, and, in a text that has none, those of a plain one. Code is passed over."""
    return list(_headings(text, setext=True))


def _headings(text: str, *, setext: bool) -> Iterator[Heading]:
    fence, before = "", None
    for line in lines_of(text):
        if setext and (fenced := _FENCE.match(line.text)):
            mark = fenced[1]
            if not fence:
                fence = mark
            elif mark[0] == fence[0] and len(mark) >= len(fence):
                fence = ""
            before = None
            continue
        if fence:
            continue
        found = _heading(line)
        if found is None and setext and before is not None and (under := _SETEXT.match(line.text)):
            yield Heading(before.start, line.end, 1 if under[1][0] == "=" else 2, before.text.strip())
            before = None
            continue
        if found is not None:
            yield found
        before = line if found is None and line.text.strip() and not is_break(line.text) else None


def _heading(line: Line) -> Heading | None:
    if (atx := _ATX.match(line.text)) is not None:
        return Heading(line.start, line.end, len(atx[1]), atx[2].strip())
    level = level_of(line.text)
    return Heading(line.start, line.end, level, line.text.strip(" \t　")) if level is not None else None


def is_break(line: str) -> bool:
    """Whether a line stands between two scenes."""
    return bool(line.strip()) and _BREAK.match(line) is not None


def breaks_of(text: str) -> list[int]:
    """Where lines that stand between two scenes begin."""
    return [line.start for line in lines_of(text) if is_break(line.text)]
