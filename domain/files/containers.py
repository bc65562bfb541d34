"""Where files of known formats end, and what archives hold: as little of each format as telling them apart takes.

Each function seeks for itself. Lengths that a file claims are never allocated, only compared with its size.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

from domain.files.entities import FileKind

_PNG = b"\x89PNG\r\n\x1a\n"
_GIFS = (b"GIF87a", b"GIF89a")
_JPEG = b"\xff\xd8\xff"
_EPUB = b"application/epub+zip"
_EOCD = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
COMMENT_BYTES_MAX = 65_535
DIRECTORY_BYTES_MAX = 4 << 20
_SEGMENTS_MAX = 200_000


def png_end(file: BinaryIO, size: int) -> int | None:
    """The offset behind the last chunk; None when there is none."""
    at = len(_PNG)
    for _ in range(_SEGMENTS_MAX):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return None
        at += 12 + int.from_bytes(head[:4], "big")
        if at > size:
            return None
        if head[4:] == b"IEND":
            return at
    return None


def gif_end(file: BinaryIO, size: int) -> int | None:
    """The offset behind the trailer; None when there is none."""
    file.seek(0)
    head = file.read(13)
    if len(head) < 13:
        return None
    file.seek(_table_bytes(head[10]), 1)
    blocks = 0
    while blocks < _SEGMENTS_MAX:
        match file.read(1):
            case b"\x3b":
                return file.tell() if file.tell() <= size else None
            case b"\x21":
                file.seek(1, 1)
            case b"\x2c":
                frame = file.read(9)
                if len(frame) < 9:
                    return None
                file.seek(_table_bytes(frame[8]) + 1, 1)
            case _:
                return None
        blocks += 1 + _skip_blocks(file)
    return None


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_blocks(file: BinaryIO) -> int:
    """How many there were, up to the empty one that ends them."""
    blocks = 0
    while (length := file.read(1)) not in {b"", b"\x00"} and blocks < _SEGMENTS_MAX:
        file.seek(length[0], 1)
        blocks += 1
    return blocks


def webp_end(file: BinaryIO, size: int) -> int | None:
    """The offset behind the RIFF container, which is padded to an even one."""
    file.seek(4)
    claimed = file.read(4)
    end = 8 + int.from_bytes(claimed, "little")
    end += end & 1
    return end if len(claimed) == 4 and end <= size else None


def jpeg_end(file: BinaryIO, size: int) -> int | None:
    """The file's: cameras put a preview or a film behind the image. None when no image ends in it."""
    before = b""
    file.seek(0)
    while chunk := file.read(1 << 16):
        if b"\xff\xd9" in before + chunk:
            return size
        before = chunk[-1:]
    return None


def _is_webp(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head[8:12] == b"WEBP"


IMAGE_FORMATS: tuple[
    tuple[FileKind, Callable[[bytes], bool], Callable[[BinaryIO, int], int | None]], ...
] = (
    (FileKind.PNG, lambda head: head.startswith(_PNG), png_end),
    (FileKind.GIF, lambda head: head.startswith(_GIFS), gif_end),
    (FileKind.WEBP, _is_webp, webp_end),
    (FileKind.JPEG, lambda head: head.startswith(_JPEG), jpeg_end),
)  # fmt: skip
"""How each begins, and where it ends."""


def ends_an_archive(file: BinaryIO, size: int) -> bool:
    """Whether a reader of ZIP, who looks from the end, would find a directory, whatever stands before it."""
    start = max(0, size - COMMENT_BYTES_MAX - _EOCD.size)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _EOCD.size <= len(tail):
            directory_bytes = _EOCD.unpack_from(tail, at)[5]
            if directory_bytes <= start + at:
                return True
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return False


def archive_names(file: BinaryIO, size: int) -> set[str] | None:
    """The names of the members of a ZIP that fills the file from its first byte to its last; None for anything else.

    ZIP64 and archives of several parts are anything else, as is a directory of more than DIRECTORY_BYTES_MAX.
    """
    directory = _directory(file, size)
    if directory is None:
        return None
    names: set[str] = set()
    at = 0
    while at < len(directory):
        if at + _ENTRY.size > len(directory):
            return None
        entry = _ENTRY.unpack_from(directory, at)
        if entry[0] != b"PK\x01\x02":
            return None
        begin, end = at + _ENTRY.size, at + _ENTRY.size + entry[10]
        names.add(directory[begin:end].decode("utf-8", "replace"))
        at = end + entry[11] + entry[12]
    return names if at == len(directory) else None


def _directory(file: BinaryIO, size: int) -> bytes | None:
    start = max(0, size - COMMENT_BYTES_MAX - _EOCD.size)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _EOCD.size > len(tail):
        return None
    _, disk, first_disk, here, entries, directory_bytes, offset, comment_bytes = _EOCD.unpack_from(tail, at)
    fills_the_file = offset + directory_bytes == start + at and start + at + _EOCD.size + comment_bytes == size
    if disk or first_disk or here != entries or not fills_the_file or directory_bytes > DIRECTORY_BYTES_MAX:
        return None
    file.seek(offset)
    return file.read(directory_bytes)


def is_epub(file: BinaryIO) -> bool:
    """Whether the first member says so, as the format demands: `mimetype`, not compressed."""
    file.seek(0)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size:
        return False
    local = _LOCAL.unpack_from(head)
    method, name_bytes, extra_bytes = local[3], local[9], local[10]
    name = file.read(name_bytes)
    file.seek(extra_bytes, 1)
    return method == 0 and name == b"mimetype" and file.read(len(_EPUB)) == _EPUB
