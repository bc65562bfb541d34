"""Names of files, as clients give them: shown to people, never used as a path."""

from __future__ import annotations

import re

from domain.errors import ErrorCode, Rejected
from domain.files.entities import FileKind, FilePurpose
from domain.text import TITLE_CHARS_MAX, clean_line

_SEPARATORS = re.compile(r"[/\\]")
_DISGUISES = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""What makes `fdp.exe` read `exe.pdf`, or is not seen at all."""
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,10})$")
EXTENSIONS: dict[str, FileKind] = {
    "pdf": FileKind.PDF,
    "docx": FileKind.DOCX,
    "epub": FileKind.EPUB,
    "html": FileKind.HTML,
    "htm": FileKind.HTML,
    "xhtml": FileKind.HTML,
    "txt": FileKind.TEXT,
    "text": FileKind.TEXT,
    "md": FileKind.TEXT,
    "markdown": FileKind.TEXT,
    "png": FileKind.PNG,
    "jpg": FileKind.JPEG,
    "jpeg": FileKind.JPEG,
    "webp": FileKind.WEBP,
    "gif": FileKind.GIF,
}
_MIMES = {
    FileKind.PDF: "application/pdf",
    FileKind.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    FileKind.EPUB: "application/epub+zip",
    FileKind.HTML: "text/html",
    FileKind.TEXT: "text/plain",
    FileKind.PNG: "image/png",
    FileKind.JPEG: "image/jpeg",
    FileKind.WEBP: "image/webp",
    FileKind.GIF: "image/gif",
}
_MARKDOWN = frozenset({"md", "markdown"})


def clean_name(value: str, purpose: FilePurpose, field: str = "fileName") -> str:
    """A name without a path, whose extension, if it has one, is of a kind that the purpose accepts.

    Raises Rejected with EMPTY, TOO_LONG, INVALID_CHARACTERS or FILE_TYPE_REFUSED.
    """
    name = clean_line(value, field, chars_max=TITLE_CHARS_MAX)
    if _SEPARATORS.search(name) or name in {".", ".."}:
        raise Rejected(ErrorCode.INVALID_CHARACTERS, "A name of a file, not a path.", "input", field)
    if hidden := _DISGUISES.search(name):
        message = f"The character U+{ord(hidden[0]):04X} is not allowed."
        raise Rejected(ErrorCode.INVALID_CHARACTERS, message, "input", field)
    extension = extension_of(name)
    if extension and EXTENSIONS.get(extension) not in purpose.kinds:
        raise Rejected(ErrorCode.FILE_TYPE_REFUSED, accepted(purpose), "input", field)
    return name


def accepted(purpose: FilePurpose) -> str:
    """What a purpose takes, as a sentence."""
    known = ", ".join(f".{one}" for one, kind in EXTENSIONS.items() if kind in purpose.kinds)
    return f"This purpose accepts {known}."


def extension_of(name: str) -> str:
    """In small letters and without the dot; empty when there is none. A name such as `Chapter 2. Rain` has none."""
    found = _EXTENSION.search(name)
    return found[1].lower() if found and found.start() else ""


def mime_of(kind: FileKind, name: str) -> str:
    """The media type of such content under such a name. Raises Rejected(FILE_TYPE_MISMATCH)."""
    extension = extension_of(name)
    named = EXTENSIONS.get(extension, kind)
    if named is FileKind.HTML and kind is FileKind.TEXT:
        kind = FileKind.HTML  # a fragment of a page looks like any text
    if named is not kind:
        message = f"The file is named .{extension}, but its content is {kind}."
        raise Rejected(ErrorCode.FILE_TYPE_MISMATCH, message, "input", "uploadId")
    return "text/markdown" if extension in _MARKDOWN else _MIMES[kind]
