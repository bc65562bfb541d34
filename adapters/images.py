"""Images decoded with Pillow, which is handed nothing that it could choose to make large.

Only the named format's decoder is tried. Pixels are counted from the header before any is decoded, frames before the
first is. Metadata, such as where a photograph was taken, is in no thumbnail; how it is to be turned is applied.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from domain.errors import ErrorCode, Rejected
from domain.files.entities import FileKind
from domain.files.images import Picture

THUMBNAIL_PIXELS = 512
"""The longer side of a thumbnail, at most."""
_QUALITY = 80
_ORIENTATION, _FIRST_ON_ITS_SIDE = 0x0112, 5
_WITH_ALPHA = frozenset({"RGBA", "LA", "PA"})
_SCALABLE = frozenset({"RGB", "RGBA", "L", "LA"})
_BROKEN = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError)
"""What Pillow's decoders raise for content that they cannot read."""


class PillowImages:
    """Implements `domain.files.images.ImageReader`."""

    def __init__(self, *, pixels_max: int, frames_max: int) -> None:
        self._pixels_max = pixels_max
        self._frames_max = frames_max

    def read(self, file: BinaryIO, kind: FileKind) -> Picture:
        try:
            with Image.open(file, formats=[kind]) as image:
                self._check(image)
                return _picture(image)
        except Image.DecompressionBombError:
            raise self._too_many_pixels() from None
        except _BROKEN:
            raise _refusal(ErrorCode.FILE_DAMAGED, "The image cannot be decoded.") from None

    def _check(self, image: Image.Image) -> None:
        """Frames first: one that is larger than the image makes the image larger."""
        if getattr(image, "n_frames", 1) > self._frames_max:
            raise _refusal(ErrorCode.FILE_TOO_LARGE, f"An image has at most {self._frames_max:,} frames.")
        image.seek(0)
        if image.width * image.height > self._pixels_max:
            raise self._too_many_pixels()

    def _too_many_pixels(self) -> Rejected:
        return _refusal(ErrorCode.FILE_TOO_LARGE, f"An image has at most {self._pixels_max:,} pixels.")


def _picture(image: Image.Image) -> Picture:
    """Of the first frame. The whole of it is decoded, so an image that is cut off is found out.

    It is made small before anything else is done with it, so that it is never in memory twice.
    """
    size = image.size if image.getexif().get(_ORIENTATION, 1) < _FIRST_ON_ITS_SIDE else image.size[::-1]
    transparent = image.mode in _WITH_ALPHA or "transparency" in image.info
    if image.mode not in _SCALABLE:
        image = _keeping_exif(image, "RGBA" if transparent else "RGB")
    image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    upright = ImageOps.exif_transpose(image).convert("RGBA" if transparent else "RGB")
    bare = Image.new(upright.mode, upright.size)
    bare.paste(upright)
    written = io.BytesIO()
    bare.save(written, "WEBP", quality=_QUALITY)
    return Picture(*size, written.getvalue())


def _keeping_exif(image: Image.Image, mode: str) -> Image.Image:
    converted = image.convert(mode)
    converted.info["exif"] = image.info.get("exif", b"")
    return converted


def _refusal(code: ErrorCode, message: str) -> Rejected:
    return Rejected(code, message, "input", "uploadId")
