"""Names of files: shown, never used as paths."""

from __future__ import annotations

import pytest

from domain.errors import ErrorCode
from domain.files.entities import FileKind, FilePurpose
from domain.files.names import clean_name, extension_of, mime_of
from tests.domain.world import refused

KNOWLEDGE, AVATAR, ATTACHMENT = FilePurpose.KNOWLEDGE, FilePurpose.AVATAR, FilePurpose.ATTACHMENT


@pytest.mark.parametrize(
    "name", ["novel.txt", "第一章 雾.md", " padded.pdf ", "no extension", "Vol. 2, part 1.DOCX", "..hidden.txt", ".txt"]
)
def test_a_plain_name_is_kept(name: str) -> None:
    assert clean_name(name, KNOWLEDGE) == name.strip()


@pytest.mark.parametrize(
    "name",
    ["../secret.txt", "/etc/passwd", "a/b.txt", "..\\b.txt", "C:\\b.txt", "..", ".", "a\x00.txt", "a\nb.txt",
     "a\u202etxt.pdf", "a\u200b.txt"],
)  # fmt: skip
def test_a_path_or_a_disguise_is_refused(name: str) -> None:
    with refused(ErrorCode.INVALID_CHARACTERS, "fileName"):
        clean_name(name, KNOWLEDGE)


def test_a_name_has_one_to_two_hundred_characters() -> None:
    assert clean_name("x" * 200, KNOWLEDGE)
    with refused(ErrorCode.TOO_LONG, "fileName"):
        clean_name("x" * 201, KNOWLEDGE)
    with refused(ErrorCode.EMPTY, "fileName"):
        clean_name("  ", KNOWLEDGE)


@pytest.mark.parametrize(
    ("name", "purpose"),
    [
        ("face.png", KNOWLEDGE),
        ("novel.txt", AVATAR),
        ("run.exe", ATTACHMENT),
        ("sheet.xlsx", KNOWLEDGE),
        ("a.svg", AVATAR),
    ],
)
def test_an_extension_that_the_purpose_does_not_take_is_refused(name: str, purpose: FilePurpose) -> None:
    with refused(ErrorCode.FILE_TYPE_REFUSED, "fileName"):
        clean_name(name, purpose)


@pytest.mark.parametrize(
    ("kind", "name", "mime"),
    [
        (FileKind.TEXT, "a.md", "text/markdown"),
        (FileKind.TEXT, "a.TXT", "text/plain"),
        (FileKind.TEXT, "a", "text/plain"),
        (FileKind.TEXT, "fragment.html", "text/html"),
        (FileKind.HTML, "page.htm", "text/html"),
        (FileKind.JPEG, "a.jpeg", "image/jpeg"),
        (FileKind.GIF, "a", "image/gif"),
    ],
)
def test_the_media_type_follows_from_the_content(kind: FileKind, name: str, mime: str) -> None:
    assert mime_of(kind, name) == mime


@pytest.mark.parametrize(
    ("kind", "name"),
    [(FileKind.PNG, "a.jpg"), (FileKind.HTML, "a.txt"), (FileKind.DOCX, "a.epub"), (FileKind.PDF, "a.md")],
)
def test_an_extension_that_contradicts_the_content_is_refused(kind: FileKind, name: str) -> None:
    with refused(ErrorCode.FILE_TYPE_MISMATCH, "uploadId"):
        mime_of(kind, name)


def test_the_extension_is_what_follows_the_last_dot_without_blanks() -> None:
    assert [extension_of(one) for one in ("a.TAR.Gz", "a. Rain", ".txt", "a.", "雾.md")] == ["gz", "", "", "", "md"]
