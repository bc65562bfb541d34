"""HTML, as people read it: blocks in their order, headings, nothing of scripts. No entity is expanded but its own."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from adapters.reading import limits
from adapters.reading.composing import Composer
from adapters.reading.plain import decoded
from domain.knowledge.entities import DocumentErrorCode
from domain.knowledge.failures import IngestFailed
from domain.knowledge.parsing import Parsed

_SKIPPED = frozenset({"script", "style", "template", "noscript", "head", "svg", "math", "iframe", "object", "nav"})
_VOID = frozenset(
    {"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr"}
)
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "td",
        "th",
        "tr",
        "ul",
        "caption",
        "center",
        "title",
    ]
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset=["']?\s*([A-Za-z0-9_-]+)""", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"""^\s*<\?xml[^>]{0,100}encoding=["']([A-Za-z0-9_-]+)""", re.IGNORECASE)
_KNOWN = {"gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5", "shift_jis": "shift_jis",
          "euc-kr": "euc-kr", "iso-8859-1": "cp1252", "windows-1252": "cp1252", "utf-8": "utf-8", "utf8": "utf-8"}  # fmt: skip
_TAGS_MAX = 1_000_000


class _Blocks(HTMLParser):
    """Feeds a composer; `skipping` is how deep it is inside what nobody reads."""

    def __init__(self, composer: Composer) -> None:
        super().__init__(convert_charrefs=True)
        self._composer = composer
        self._text: list[str] = []
        self._level: int | None = None
        self._skipping: list[str] = []
        self._tags = 0
        self._preformatted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tags += 1
        if self._tags > _TAGS_MAX:
            raise IngestFailed(DocumentErrorCode.BOMB, "too many tags")
        if tag == "body":  # a head, or what stands in it, that nobody has closed
            self._skipping.clear()
        if tag in _SKIPPED:
            self._skipping.append(tag)
        if self._skipping:
            return
        if tag in _BLOCKS:
            self.end_block()
            self._level = _HEADINGS.get(tag)
            self._preformatted += tag == "pre"
        if tag == "hr":
            self._composer.block("***")
        elif tag == "br":
            self._text.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            if tag == self._skipping[-1]:
                self._skipping.pop()
            elif tag == "body":
                self._skipping.clear()
            return
        if tag in _BLOCKS:
            self.end_block()
            self._preformatted = max(0, self._preformatted - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self._text.append(data if self._preformatted else re.sub(r"[ \t\r\n\f]+", " ", data))

    def end_block(self) -> None:
        text = "".join(self._text)
        if not self._preformatted:
            text = re.sub(r" *\n *", "\n", text).strip()
        if text.strip():
            self._composer.block(text, self._level)
        self._text.clear()
        self._level = None


def into(composer: Composer, content: bytes) -> None:
    """Put a page behind what is composed already."""
    if len(content) > limits.MARKUP_BYTES_MAX:
        raise IngestFailed(DocumentErrorCode.TOO_LARGE, "markup")
    blocks = _Blocks(composer)
    blocks.feed(_text(content))
    blocks.close()
    blocks.end_block()


def _text(content: bytes) -> str:
    """By what the page says of itself, where that is true."""
    said = _XML_CHARSET.search(content[:200]) or _CHARSET.search(content[:4096])
    encoding = _KNOWN.get(said[1].decode().lower()) if said is not None else None
    if encoding is not None and b"\0" not in content:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            pass
    return decoded(content)


def read_html(content: bytes) -> Parsed:
    composer = Composer()
    into(composer, content)
    return composer.parsed()
