"""What content is found to be, and what of it is refused because it is two things."""

from __future__ import annotations

import io
import time

import pytest

from domain.errors import ErrorCode
from domain.files.entities import FileKind
from domain.files.sniffing import Sniffed, sniff
from tests import file_samples as samples
from tests.domain.world import refused

KINDS = {
    FileKind.PDF: samples.PDF,
    FileKind.DOCX: samples.DOCX,
    FileKind.EPUB: samples.EPUB,
    FileKind.PNG: samples.PNG,
    FileKind.JPEG: samples.JPEG,
    FileKind.WEBP: samples.WEBP,
    FileKind.GIF: samples.GIF,
}
SCRIPT = b"<script>alert(1)</script>"


def found(content: bytes) -> Sniffed:
    return sniff(io.BytesIO(content), len(content))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_what_its_bytes_are(kind: FileKind) -> None:
    assert found(KINDS[kind]) == Sniffed(kind)


@pytest.mark.parametrize(
    ("content", "sniffed"),
    [
        (b"x", Sniffed(FileKind.TEXT, "utf-8")),
        (samples.MARKDOWN, Sniffed(FileKind.TEXT, "utf-8")),
        ("\ufeff有字节序标记".encode(), Sniffed(FileKind.TEXT, "utf-8")),
        (samples.CHINESE, Sniffed(FileKind.TEXT, "gb18030")),
        (samples.PAGE, Sniffed(FileKind.HTML, "utf-8")),
        (b'<?xml version="1.0"?>\n<html xmlns="x"></html>', Sniffed(FileKind.HTML, "utf-8")),
        ("<html><body>灯</body></html>".encode("gb18030"), Sniffed(FileKind.HTML, "gb18030")),
        (b"<p>a fragment</p>", Sniffed(FileKind.TEXT, "utf-8")),
        (b"A page begins with <!DOCTYPE html>.", Sniffed(FileKind.TEXT, "utf-8")),
        ("é".encode() * 700_000, Sniffed(FileKind.TEXT, "utf-8")),  # characters lie across the chunks' ends
    ],
)
def test_texts_and_pages_are_told_by_their_encoding_and_their_first_tag(content: bytes, sniffed: Sniffed) -> None:
    assert found(content) == sniffed


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_an_image_of_its_kind(kind: str) -> None:
    assert found(samples.animation(kind)).kind == kind


@pytest.mark.parametrize(
    "content",
    [
        b"\x7fELF\x02\x01\x01" + bytes(60),
        b"MZ\x90\x00\x03" + bytes(60),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),  # a DOCX with a password, or an old DOC
        samples.archive(("xl/workbook.xml", b"<workbook/>"), ("[Content_Types].xml", b"<Types/>")),
        b"a text with a \x00 in it",
        b"a text that ends in half a character \xe4",
        "两个字节的".encode("utf-16"),
        b"text " * 300_000 + b"\x01",
    ],
)
def test_what_is_nothing_that_we_know_is_refused(content: bytes) -> None:
    with refused(ErrorCode.FILE_TYPE_REFUSED, "uploadId"):
        found(content)


def test_an_empty_file_is_refused() -> None:
    with refused(ErrorCode.EMPTY, "uploadId"):
        found(b"")


@pytest.mark.parametrize(
    "kind", [FileKind.DOCX, FileKind.EPUB, FileKind.PNG, FileKind.JPEG, FileKind.WEBP, FileKind.GIF]
)
def test_what_is_cut_off_is_damaged(kind: FileKind) -> None:
    with refused(ErrorCode.FILE_DAMAGED, "uploadId"):
        found(KINDS[kind][:-5])


POLYGLOTS = {
    "a PDF that ends in an archive": samples.PDF + samples.DOCX,
    "an archive in front of which stands a PDF": b"%PDF-1.4\n" + samples.EPUB,
    "an archive whose first member is a PDF": samples.archive(("a.pdf", samples.PDF), *samples.WORD),
    "a DOCX that is an EPUB": samples.archive(*samples.BOOK, *samples.WORD),
    "a GIF whose width begins a comment of JavaScript": b"GIF89a/*" + samples.GIF[8:],
    "a GIF whose width assigns in JavaScript": b"GIF89a=1" + samples.GIF[8:],
    "a GIF with a page behind it": samples.GIF + b"<html>",
    "a PNG with an archive behind it": samples.PNG + samples.DOCX,
    "a JPEG with an archive behind it": samples.JPEG + samples.DOCX,
    "a JPEG with a script in its comment": samples.image("JPEG", comment=SCRIPT),
    "a PNG with a PDF in its text": samples.PNG[:33]
    + b"\x00\x00\x00\x08tEXt%PDF-1.4\x00\x00\x00\x00"
    + samples.PNG[33:],
    "a WEBP with a script behind it": samples.WEBP + SCRIPT,
    "a text with the header of a PDF": b"hello\n%PDF-1.4\n1 0 obj\n",
}


@pytest.mark.parametrize("name", POLYGLOTS)
def test_what_is_two_things_at_once_is_refused(name: str) -> None:
    with refused(ErrorCode.FILE_AMBIGUOUS, "uploadId"):
        found(POLYGLOTS[name])


@pytest.mark.parametrize("before", [1 << 20, (1 << 20) - 3, (1 << 20) - 8])
def test_a_script_across_two_chunks_is_found(before: int) -> None:
    head = samples.JPEG[:-2]
    with refused(ErrorCode.FILE_AMBIGUOUS, "uploadId"):
        found(head + bytes(before - len(head)) + SCRIPT + b"\xff\xd9")


def test_an_archive_with_something_before_or_behind_it_is_damaged() -> None:
    for content in (samples.DOCX + b"more", b"PK\x03\x04" + samples.DOCX):
        with refused(ErrorCode.FILE_DAMAGED, "uploadId"):
            found(content)


def test_an_archive_may_have_a_comment() -> None:
    assert found(samples.DOCX[:-2] + b"\x05\x00hello").kind is FileKind.DOCX


@pytest.mark.parametrize(
    "content",
    [
        b"<!-- -->" * 500 + b"x",
        b"<!--" * 1_000,
        b" " * 4_096 + b"<",
        b"<?xml " + b"<" * 4_000,
        b"GIF89a" + bytes(4) + b"\x00\x00\x00" + b"!\xff" + b"\x01\x00" * 2_000_000,
        samples.PNG[:33] + bytes(4) + b"teXt" + (bytes(4) + bytes(4) + b"teXt") * 400_000,
    ],
)
def test_content_made_to_take_long_does_not(content: bytes) -> None:
    began = time.process_time()
    try:
        found(content)
    except Exception as error:  # noqa: BLE001 - whatever it is found to be
        assert type(error).__name__ == "Rejected"
    assert time.process_time() - began < 3
