"""The files room, and a store of blobs, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.files.blobs import CHUNK_BYTES, BlobMissing, read_whole
from domain.files.entities import File, Upload, UploadState
from domain.ids import FileId, UploadId, UserId
from tests.domain.memory.clock import NOW


@dataclass
class MemoryBlob:
    size: int
    refs: int = 0
    touched_at: datetime = NOW


class MemoryFiles:
    """Implements `domain.files.store.FileStore`."""

    def __init__(self) -> None:
        self.files: dict[FileId, File] = {}
        self.uploads: dict[UploadId, Upload] = {}
        self.blobs: dict[bytes, MemoryBlob] = {}

    async def add(self, row: File | Upload) -> None:
        if isinstance(row, Upload):
            self.uploads[row.id] = row
            return
        if row.sha256 not in self.blobs:
            raise ValueError("files_tenant_id_held_fkey")
        self.files[row.id] = row

    async def file(self, file_id: FileId, *, lock: bool = False) -> File | None:
        found = self.files.get(file_id)
        return found if found is not None and found.deleted_at is None else None

    async def upload(self, upload_id: UploadId, *, lock: bool = False) -> Upload | None:
        return self.uploads.get(upload_id)

    async def count_open(self, owner_id: UserId) -> int:
        return sum(
            one.owner_id == owner_id and one.state == UploadState.PENDING and one.expires_at > NOW
            for one in self.uploads.values()
        )

    async def stored_bytes(self) -> int:
        pending = sum(one.size for one in self.uploads.values() if one.state == UploadState.PENDING)
        return pending + sum(one.size for one in self.blobs.values())

    async def announce(self, sha256: bytes, size: int) -> None:
        self.blobs.setdefault(sha256, MemoryBlob(size)).touched_at = NOW

    async def hold(self, sha256: bytes) -> None:
        self._count(sha256, 1)

    async def release(self, sha256: bytes) -> None:
        self._count(sha256, -1)

    def _count(self, sha256: bytes, change: int) -> None:
        blob = self.blobs[sha256]
        if blob.refs + change < 0:
            raise ValueError("blobs_refs_check")
        blob.refs, blob.touched_at = blob.refs + change, NOW

    async def expired(self, before: datetime, first: int) -> list[Upload]:
        found = [one for one in self.uploads.values() if one.expires_at < before]
        return sorted(found, key=lambda one: one.expires_at)[:first]

    async def forget_upload(self, upload: Upload) -> None:
        del self.uploads[upload.id]

    async def orphans(self, before: datetime, first: int) -> list[bytes]:
        return [sha256 for sha256, one in self.blobs.items() if not one.refs and one.touched_at < before][:first]

    async def forget_blob(self, sha256: bytes) -> None:
        if any(one.sha256 == sha256 and one.deleted_at is None for one in self.files.values()):
            raise ValueError("files_tenant_id_held_fkey")
        del self.blobs[sha256]


class MemoryBlobs:
    """Implements `domain.files.blobs.BlobStore`."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.written: list[str] = []

    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        content = b"".join([chunk async for chunk in chunks])
        self.kept[key] = content
        self.written.append(key)
        return len(content)

    async def open(self, key: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        if key not in self.kept:
            raise BlobMissing(key)
        part = self.kept[key][start : None if length is None else start + length]
        for at in range(0, len(part), CHUNK_BYTES):
            yield part[at : at + CHUNK_BYTES]

    async def read(self, key: str, max_bytes: int) -> bytes:
        return await read_whole(self, key, max_bytes)

    async def delete(self, key: str) -> None:
        self.kept.pop(key, None)

    async def size(self, key: str) -> int | None:
        return len(self.kept[key]) if key in self.kept else None

    async def upload_url(self, key: str, size: int, ttl: timedelta) -> str | None:
        return None

    async def tidy(self, older_than: timedelta) -> int:
        return 0
