"""DOCX: the paragraphs of its main part, and which of them are headings."""

from __future__ import annotations

import re

from adapters.reading.composing import Composer
from adapters.reading.packages import Package, walk_xml
from domain.knowledge.parsing import Parsed

_MAIN, _STYLES = "word/document.xml", "word/styles.xml"
_HEADING = re.compile(r"(?:heading|标题)\s*([1-9])$", re.IGNORECASE)
_LEVELS_MAX = 6
_HIDDEN = frozenset({"del", "moveFrom", "instrText", "delText", "Fallback"})
"""What was deleted while changes were tracked, the code of fields, and what old programs are shown of a text box."""


class _Styles:
    """The level of each paragraph style that is a heading's."""

    def __init__(self) -> None:
        self.levels: dict[str, int] = {}
        self._id = ""

    def start(self, name: str, given: dict[str, str]) -> None:
        if name == "style":
            self._id = given.get("styleId", "")
        elif name == "name" and self._id:
            said = given.get("val", "")
            if found := _HEADING.match(said):
                self.levels[self._id] = int(found[1])
            elif said.lower() == "title":
                self.levels[self._id] = 1
        elif name == "outlineLvl" and self._id:
            level = given.get("val", "9")
            if level.isdecimal() and int(level) < _LEVELS_MAX:
                self.levels.setdefault(self._id, int(level) + 1)


class _Body:
    """Paragraphs may lie in a text box that lies in a paragraph: the inner ones come first."""

    def __init__(self, composer: Composer, levels: dict[str, int]) -> None:
        self._composer = composer
        self._levels = levels
        self._text: list[str] = []
        self._level: int | None = None
        self._around: list[tuple[list[str], int | None]] = []
        self._inside = 0
        self._hidden = 0

    def start(self, name: str, given: dict[str, str]) -> None:
        if name in _HIDDEN:
            self._hidden += 1
        elif name == "p":
            self._around.append((self._text, self._level))
            self._text, self._level = [], None
        elif name == "pStyle":
            self._level = self._levels.get(given.get("val", ""), self._level)
        elif name == "outlineLvl":
            level = given.get("val", "9")
            self._level = int(level) + 1 if level.isdecimal() and int(level) < _LEVELS_MAX else None
        elif name == "t":
            self._inside += 1
        elif name in {"br", "cr"}:
            self._text.append("\n")
        elif name == "tab":
            self._text.append(" ")

    def end(self, name: str) -> None:
        if name in _HIDDEN:
            self._hidden -= 1
        elif name == "t":
            self._inside -= 1
        elif name == "p":
            self._composer.block("".join(self._text), self._level)
            self._text, self._level = self._around.pop()

    def data(self, text: str) -> None:
        if self._inside and not self._hidden:
            self._text.append(text)


def read_docx(content: bytes) -> Parsed:
    package = Package(content)
    styles = _Styles()
    if _STYLES in package.names:
        walk_xml(package.read(_STYLES), styles.start, lambda _: None, lambda _: None)
    composer = Composer()
    body = _Body(composer, styles.levels)
    walk_xml(package.read(_MAIN), body.start, body.end, body.data)
    return composer.parsed()
