"""PDF by pdfium: the text of each page, its lines joined to paragraphs, and the headings of its outline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pypdfium2

from adapters.reading import limits
from adapters.reading.composing import Composer
from domain.knowledge.entities import DocumentErrorCode
from domain.knowledge.failures import IngestFailed
from domain.knowledge.parsing import Parsed
from domain.knowledge.structure import HEADING_CHARS_MAX, level_of

_TAIL = 2048
_PASSWORD = "password"
_ENDS = re.compile(r"[。！？!?….:：;；][\"'”’」』）)]*$")
_CJK = re.compile("[　-〿㐀-鿿＀-￯]")
_HYPHENATED = re.compile(r"[a-z][-\u00ad\u0002\ufffe]$")
_SHORT = 0.6
"""A line that is shorter than this share of the page's longest ends its paragraph."""
_OUTLINE_MAX = 5_000


def read_pdf(content: bytes) -> Parsed:
    if b"%%EOF" not in content[-_TAIL:]:
        raise IngestFailed(DocumentErrorCode.DAMAGED, "it is cut off")
    try:
        document = pypdfium2.PdfDocument(content)
        if len(document) > limits.PAGES_MAX:
            raise IngestFailed(DocumentErrorCode.TOO_LONG, f"{len(document)} pages")
        return _composed(document)
    except pypdfium2.PdfiumError as error:
        locked = _PASSWORD in str(error).lower()
        code = DocumentErrorCode.ENCRYPTED if locked else DocumentErrorCode.DAMAGED
        raise IngestFailed(code, str(error)) from None


def _composed(document: Any) -> Parsed:
    outline = _outline(document)
    composer = Composer()
    for number in range(len(document)):
        page = document[number]
        page_text = page.get_textpage()
        composer.page()
        _page(composer, page_text.get_text_bounded(), outline.get(number, {}))
        page_text.close()
        page.close()
    return composer.parsed()


def _outline(document: Any) -> dict[int, dict[str, int]]:
    """By page, the level of each heading's words."""
    found: dict[int, dict[str, int]] = {}
    for number, mark in enumerate(document.get_toc(max_depth=6)):
        if number >= _OUTLINE_MAX:
            break
        target = mark.get_dest()
        index = target.get_index() if target is not None else None
        if index is not None:
            found.setdefault(index, {})[_plain(mark.get_title())] = mark.level + 1
    return found


def _plain(line: str) -> str:
    return "".join(line.split()).casefold()


def _page(composer: Composer, text: str, headings: dict[str, int]) -> None:
    for paragraph in _paragraphs(text, headings):
        composer.block(paragraph, headings.get(_plain(paragraph)))


def _paragraphs(text: str, headings: dict[str, int]) -> Iterator[str]:
    """Lines that a page's width has parted are one again."""
    lines = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    longest = max(map(len, lines), default=0)
    whole = ""
    for line in lines:
        alone = len(line) <= HEADING_CHARS_MAX and (level_of(line) is not None or _plain(line) in headings)
        if (alone or not line) and whole:
            yield whole
            whole = ""
        if alone:
            yield line
            continue
        whole = _joined(whole, line)
        if whole and (_ENDS.search(line) or len(line) < _SHORT * longest):
            yield whole
            whole = ""
    if whole:
        yield whole


def _joined(whole: str, line: str) -> str:
    if not whole or not line:
        return whole + line
    if _HYPHENATED.search(whole) and line[0].islower():
        return whole[:-1] + line
    return whole + ("" if _CJK.match(whole[-1]) or _CJK.match(line[0]) else " ") + line
