"""What is asked of whoever can decode images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Protocol

from domain.files.entities import FileKind


@dataclass(frozen=True, slots=True)
class Picture:
    """Size in pixels as it is shown, and a small still WEBP without any metadata."""

    width: int
    height: int
    thumbnail: bytes


class ImageReader(Protocol):
    def read(self, file: BinaryIO, kind: FileKind) -> Picture:
        """Blocks: call it in a thread. Raises Rejected with FILE_DAMAGED or FILE_TOO_LARGE."""
        ...
