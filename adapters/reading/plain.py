"""Plain text and Markdown: which characters its bytes are."""

from __future__ import annotations

import codecs
import re

from adapters.reading.composing import Composer
from domain.knowledge.entities import DocumentErrorCode
from domain.knowledge.failures import IngestFailed
from domain.knowledge.parsing import CHARACTERS_MAX, Parsed
from domain.knowledge.structure import markdown_headings, plain_headings

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMMON = re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]")
"""Marks and the more frequent half of GB 2312's characters, which make up nearly all of a Chinese text."""
_DOUBLE = re.compile(rb"[\x81-\xfe][\x30-\x39\x40-\x7e\x80-\xfe]")
COMMON_SHARE = 0.85
HIGH_SHARE_MAX = 0.25
"""Of a text in a western language, so much at most is no ASCII."""
_WESTERN = re.compile("[^\x00-\x7fÀ-ÖØ-öø-ÿŒœŠšŽžŸ‘’“”–—…«»¡¿€£§°©®™•\u00a0]")


def decoded(content: bytes) -> str:
    """UTF-8, UTF-16 or UTF-32 by their marks, UTF-8, GB18030, or a western code page. Raises IngestFailed."""
    try:
        for mark, encoding in _MARKS:
            if content.startswith(mark):
                return content.decode(encoding)
        if b"\0" in content:
            raise IngestFailed(DocumentErrorCode.WRONG_TYPE, "a text without zero bytes was expected")
        return _unmarked(content)
    except UnicodeDecodeError as error:
        raise IngestFailed(DocumentErrorCode.ENCODING, str(error)[:200]) from None


def _unmarked(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        sample = content[:1_000_000]
    pairs = len(_DOUBLE.findall(sample))
    if pairs and len(_COMMON.findall(sample)) >= COMMON_SHARE * pairs:
        return content.decode("gb18030")
    high = len(sample.translate(None, bytes(range(128))))
    western = content.decode("cp1252")
    if high <= HIGH_SHARE_MAX * len(sample) and not _WESTERN.search(western[:1_000_000]):
        return western
    raise IngestFailed(DocumentErrorCode.ENCODING, "no known encoding fits")


def read_text(content: bytes, *, markdown: bool) -> Parsed:
    if len(content) > CHARACTERS_MAX * 4 + 4:
        raise IngestFailed(DocumentErrorCode.TOO_LONG)
    composer = Composer()
    composer.block(decoded(content))
    return composer.parsed(markdown_headings if markdown else plain_headings)
