"""Small files of every kind that is accepted, and of some that are not."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from PIL import Image

PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
PAGE = b"<!-- saved -->\n<!DOCTYPE html>\n<html><body><p>The lamp burned all night.</p></body></html>\n"
MARKDOWN = "# 渡口\n\nThe lamp burned <b>all</b> night.\n".encode()
CHINESE = "她在雾里等船，灯一直亮着。".encode("gb18030")


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as made:
        for name, content in members:
            made.writestr(name, content)
    return written.getvalue()


WORD = (("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w:document/>"))
BOOK = (("mimetype", b"application/epub+zip"), ("META-INF/container.xml", b"<container/>"))
DOCX = archive(*WORD)
EPUB = archive(*BOOK)


def image(kind: str = "PNG", size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: object) -> bytes:
    written = io.BytesIO()
    Image.new(mode, size, 0).save(written, kind, **options)
    return written.getvalue()


def animation(kind: str = "GIF", frames: int = 3, size: tuple[int, int] = (20, 10)) -> bytes:
    written = io.BytesIO()
    first, *more = (Image.new("RGB", size, (40 * n % 256, 5 * n % 256, n % 256)) for n in range(frames))
    first.save(written, kind, save_all=True, append_images=more, duration=40)
    return written.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A header that promises so many pixels, and next to nothing behind it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1_000))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


PNG, JPEG, WEBP, GIF = (image(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF"))
