"""Blobs in a directory. Implements `domain.files.blobs.BlobStore`.

A blob is written beside its place and renamed to it, so a killed writer leaves a part in `parts/` and nothing else.
Every process of one installation must see the same directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from domain.files.blobs import CHUNK_BYTES, BlobMissing, BlobsAway, read_whole

_KEY = re.compile(r"[a-z]+(/[0-9a-f]{2,64})+")
_PARTS = "parts"


class LocalBlobs:
    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        place = self._place(key)
        part, path = await asyncio.to_thread(self._new_part)
        size = 0
        try:
            with part:
                async for chunk in chunks:
                    size += len(chunk)
                    await asyncio.to_thread(part.write, chunk)
                await asyncio.to_thread(_to_disk, part)
            await asyncio.to_thread(_move, path, place)
        finally:
            path.unlink(missing_ok=True)
        return size

    async def open(self, key: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread(self._place(key).open, "rb")
        except FileNotFoundError:
            raise BlobMissing(key) from None
        except OSError as error:
            raise BlobsAway(key) from error
        with file:
            file.seek(start)
            left = length
            while left is None or left > 0:
                try:
                    chunk = await asyncio.to_thread(file.read, CHUNK_BYTES if left is None else min(left, CHUNK_BYTES))
                except OSError as error:
                    raise BlobsAway(key) from error
                if not chunk:
                    return
                left = None if left is None else left - len(chunk)
                yield chunk

    async def read(self, key: str, max_bytes: int) -> bytes:
        return await read_whole(self, key, max_bytes)

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._place(key).unlink, missing_ok=True)

    async def size(self, key: str) -> int | None:
        with contextlib.suppress(FileNotFoundError):
            return (await asyncio.to_thread(self._place(key).stat)).st_size
        return None

    async def upload_url(self, key: str, size: int, ttl: timedelta) -> str | None:
        return None

    async def tidy(self, older_than: timedelta) -> int:
        return await asyncio.to_thread(self._tidy, time.time() - older_than.total_seconds())

    def _tidy(self, before_s: float) -> int:
        removed = 0
        for part in (self._root / _PARTS).glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if part.stat().st_mtime < before_s:
                    part.unlink()
                    removed += 1
        return removed

    def _place(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"no key of a blob: {key!r}")
        return self._root / key

    def _new_part(self) -> tuple[BinaryIO, Path]:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        parts = self._root / _PARTS
        parts.mkdir(exist_ok=True)
        number, name = tempfile.mkstemp(dir=parts)
        return os.fdopen(number, "wb"), Path(name)


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _move(part: Path, place: Path) -> None:
    """The rename is on the disk, too, when this returns."""
    place.parent.mkdir(parents=True, exist_ok=True)
    part.replace(place)
    directory = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
