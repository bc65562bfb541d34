"""EPUB: the pages of its spine, in its order."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from adapters.reading.composing import Composer
from adapters.reading.markup import into
from adapters.reading.packages import Package, walk_xml
from domain.knowledge.entities import DocumentErrorCode
from domain.knowledge.failures import IngestFailed
from domain.knowledge.parsing import Parsed

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html"})


def _rooted(package: Package) -> str:
    """Where the package's own description lies."""
    found: list[str] = []

    def start(name: str, given: dict[str, str]) -> None:
        if name == "rootfile":
            found.append(given.get("full-path", ""))

    walk_xml(package.read(_CONTAINER), start, _ignored, _ignored)
    if not found:
        raise IngestFailed(DocumentErrorCode.DAMAGED, "no root file")
    return found[0]


def _spine(package: Package) -> list[str]:
    root = _rooted(package)
    pages: dict[str, str] = {}
    spine: list[str] = []

    def start(name: str, given: dict[str, str]) -> None:
        if name == "item" and given.get("media-type") in _PAGES:
            place = posixpath.join(posixpath.dirname(root), unquote(given.get("href", "")))
            pages[given.get("id", "")] = posixpath.normpath(place)
        elif name == "itemref":
            spine.append(given.get("idref", ""))

    walk_xml(package.read(root), start, _ignored, _ignored)
    return [pages[one] for one in dict.fromkeys(spine) if one in pages]


def _encrypted(package: Package) -> set[str]:
    found: set[str] = set()

    def start(name: str, given: dict[str, str]) -> None:
        if name == "CipherReference":
            found.add(unquote(given.get("URI", "")))

    if _ENCRYPTION in package.names:
        walk_xml(package.read(_ENCRYPTION), start, _ignored, _ignored)
    return found


def _ignored(_: str) -> None:
    """Of an element that ends, or of text: nothing is wanted of it."""


def read_epub(content: bytes) -> Parsed:
    package = Package(content)
    spine = _spine(package)
    if _encrypted(package) & set(spine):  # fonts alone are often scrambled, and nobody reads those
        raise IngestFailed(DocumentErrorCode.ENCRYPTED)
    composer = Composer()
    for page in spine:
        into(composer, package.read(page))
    return composer.parsed()
