"""What a document is: as it is called, and as its content shows."""

from __future__ import annotations

import io
import zipfile
from enum import Enum

from domain.knowledge.entities import DocumentErrorCode
from domain.knowledge.failures import IngestFailed


class Kind(Enum):
    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    PDF = "pdf"
    DOCX = "docx"
    EPUB = "epub"


BY_MIME = {
    "text/plain": Kind.TEXT,
    "text/markdown": Kind.MARKDOWN,
    "text/x-markdown": Kind.MARKDOWN,
    "text/html": Kind.HTML,
    "application/xhtml+xml": Kind.HTML,
    "application/pdf": Kind.PDF,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": Kind.DOCX,
    "application/epub+zip": Kind.EPUB,
}
BY_SUFFIX = {
    "txt": Kind.TEXT, "text": Kind.TEXT, "md": Kind.MARKDOWN, "markdown": Kind.MARKDOWN, "htm": Kind.HTML,
    "html": Kind.HTML, "xhtml": Kind.HTML, "pdf": Kind.PDF, "docx": Kind.DOCX, "epub": Kind.EPUB,
}  # fmt: skip
_WRITTEN = {Kind.TEXT, Kind.MARKDOWN, Kind.HTML}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_BINARY = (b"\x7fELF", b"MZ\x90", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"{\\rtf")


def kind_of(content: bytes, mime: str, name: str) -> Kind:
    """Raises IngestFailed for what cannot be read, and for what is not what it is called."""
    if not content.strip():
        raise IngestFailed(DocumentErrorCode.EMPTY)
    called = _called(mime, name)
    shown = _shown(content)
    if called is None and shown is None:
        raise IngestFailed(DocumentErrorCode.UNSUPPORTED, f"{mime} {name}")
    if shown is not None and called is not None and shown is not called:
        raise IngestFailed(DocumentErrorCode.WRONG_TYPE, f"{shown.value} called {called.value}")
    if shown is None and called not in _WRITTEN:
        raise IngestFailed(DocumentErrorCode.WRONG_TYPE, f"no {called.value if called else 'document'}")
    kind = shown or called
    assert kind is not None
    return kind


def _called(mime: str, name: str) -> Kind | None:
    """A name says more than a type that only says "text"; one of another kind than the type is a lie."""
    by_mime = BY_MIME.get(mime.partition(";")[0].strip().lower())
    by_name = BY_SUFFIX.get(name.rpartition(".")[2].lower()) if "." in name else None
    if by_mime is not None and by_name is not None and by_mime is not by_name and not {by_mime, by_name} <= _WRITTEN:
        raise IngestFailed(DocumentErrorCode.WRONG_TYPE, f"{mime} {name}")
    if by_mime in {None, Kind.TEXT}:
        return by_name or by_mime
    return by_mime


def _shown(content: bytes) -> Kind | None:
    """By its first bytes; None for what may be any written text."""
    if content.startswith(_OLE):
        encrypted = _ENCRYPTED_PACKAGE in content
        raise IngestFailed(DocumentErrorCode.ENCRYPTED if encrypted else DocumentErrorCode.UNSUPPORTED, "OLE")
    if content.startswith(b"PK"):
        return _zipped(content)
    if b"%PDF-" in content[:1024]:
        return Kind.PDF
    if content.startswith(_BINARY):
        raise IngestFailed(DocumentErrorCode.WRONG_TYPE, "binary")
    return None


def _zipped(content: bytes) -> Kind:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError) as error:
        raise IngestFailed(DocumentErrorCode.DAMAGED, str(error)) from None
    if "word/document.xml" in names:
        return Kind.DOCX
    if "META-INF/container.xml" in names:
        return Kind.EPUB
    raise IngestFailed(DocumentErrorCode.UNSUPPORTED, "zip")
