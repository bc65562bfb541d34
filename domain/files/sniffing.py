"""What a file is, by its content alone: magic bytes, then enough of its structure to be sure.

Content that two kinds of readers would take for theirs is refused: a PDF that is also an archive passes a check as
the one and is opened as the other. Memory stays within a few chunks, whatever the file claims about itself.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from domain.errors import ErrorCode, Rejected
from domain.files import containers
from domain.files.blobs import CHUNK_BYTES
from domain.files.entities import IMAGES, FileKind

HEAD_BYTES = 4_096
PDF_HEADER_WITHIN = 1_024
"""Readers of PDF look for its header in so many first bytes."""
_PDF = re.compile(rb"%PDF-\d")
_SCRIPT = re.compile(rb"<script|<html|<!doctype|<iframe|<body|<\?php", re.IGNORECASE)
_SCRIPT_BYTES = 9
"""The longest of these: chunks are searched with so much of the one before."""
_GIF_AS_SCRIPT = re.compile(rb"GIF8[79]a(/[*/]|=[\x20-\x7e])")
"""A width that makes the header the begin of a comment, or of an assignment, in JavaScript."""
_PAGE = re.compile(
    r"\ufeff?\s*+(<\?xml[^>]*+>\s*+)?(?><!--.*?-->\s*+)*+<(!doctype\s+html|html|head|body)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
"""Never goes back on what it has matched, so a text of many comments takes no longer than any other."""
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff]")
CHARSETS = ("utf-8", "gb18030")


@dataclass(frozen=True, slots=True)
class Sniffed:
    """`charset` is that of a text or a page; None for anything else."""

    kind: FileKind
    charset: str | None = None


def sniff(file: BinaryIO, size: int) -> Sniffed:
    """Raises Rejected with EMPTY, FILE_TYPE_REFUSED, FILE_DAMAGED or FILE_AMBIGUOUS."""
    if not size:
        raise _refusal(ErrorCode.EMPTY, "The file is empty.")
    file.seek(0)
    head = file.read(HEAD_BYTES)
    found = _by_magic(file, size, head) or _as_text(file)
    _refuse_second_nature(file, size, head, found.kind)
    return found


def _by_magic(file: BinaryIO, size: int, head: bytes) -> Sniffed | None:
    if _PDF.match(head):
        return Sniffed(FileKind.PDF)
    if head.startswith(b"PK\x03\x04"):
        return Sniffed(_archive(file, size))
    for kind, begins, ends_at in containers.IMAGE_FORMATS:
        if begins(head):
            end = ends_at(file, size)
            if end is None:
                raise _refusal(ErrorCode.FILE_DAMAGED, "The image is cut off or broken.")
            if end < size:
                raise _refusal(ErrorCode.FILE_AMBIGUOUS, "Something else follows the image.")
            return Sniffed(kind)
    return None


def _archive(file: BinaryIO, size: int) -> FileKind:
    names = containers.archive_names(file, size)
    if names is None:
        raise _refusal(ErrorCode.FILE_DAMAGED, "The archive is cut off or broken.")
    is_docx = {"[Content_Types].xml", "word/document.xml"} <= names
    is_epub = "META-INF/container.xml" in names and containers.is_epub(file)
    if is_docx and is_epub:
        raise _refusal(ErrorCode.FILE_AMBIGUOUS, "The archive is a DOCX and an EPUB at once.")
    if not is_docx and not is_epub:
        raise _refusal(ErrorCode.FILE_TYPE_REFUSED, "Of archives, only DOCX and EPUB are accepted.")
    return FileKind.DOCX if is_docx else FileKind.EPUB


def _as_text(file: BinaryIO) -> Sniffed:
    for charset in CHARSETS:
        begin = _begin_of_text(file, charset)
        if begin is not None:
            return Sniffed(FileKind.HTML if _PAGE.match(begin) else FileKind.TEXT, charset)
    raise _refusal(ErrorCode.FILE_TYPE_REFUSED, "The content is of no known type, nor text in UTF-8 or GB18030.")


def _begin_of_text(file: BinaryIO, charset: str) -> str | None:
    """The first characters of a file that is a text in this encoding, all of it; None for another."""
    decoder, begin = codecs.getincrementaldecoder(charset)(), ""
    try:
        for chunk in _chunks(file):
            text = decoder.decode(chunk)
            if _NO_TEXT.search(text):
                return None
            begin = begin or text[:HEAD_BYTES]
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    return begin


def _refuse_second_nature(file: BinaryIO, size: int, head: bytes, kind: FileKind) -> None:
    if kind is not FileKind.PDF and _PDF.search(head, 0, PDF_HEADER_WITHIN):
        raise _refusal(ErrorCode.FILE_AMBIGUOUS, f"The file is {kind} and PDF at once.")
    if kind not in {FileKind.DOCX, FileKind.EPUB} and containers.ends_an_archive(file, size):
        raise _refusal(ErrorCode.FILE_AMBIGUOUS, f"The file is {kind} and an archive at once.")
    if kind in IMAGES and (_GIF_AS_SCRIPT.match(head) or _has_script(file)):
        raise _refusal(ErrorCode.FILE_AMBIGUOUS, f"The file is {kind} and a script or a page at once.")


def _has_script(file: BinaryIO) -> bool:
    before = b""
    for chunk in _chunks(file):
        if _SCRIPT.search(before + chunk):
            return True
        before = chunk[-_SCRIPT_BYTES:]
    return False


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _refusal(code: ErrorCode, message: str) -> Rejected:
    return Rejected(code, message, "input", "uploadId")
