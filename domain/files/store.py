"""What the files room asks of persistence."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from domain.files.entities import File, Upload
from domain.ids import FileId, UploadId, UserId


class FileStore(Protocol):
    """Getters do not see what was deleted.

    A blob's row counts the files that share its bytes. The row is there before the bytes are written, and is locked
    while they are deleted: so nobody deletes what somebody else relies on.
    """

    async def add(self, row: File | Upload) -> None: ...
    async def file(self, file_id: FileId, *, lock: bool = False) -> File | None: ...
    async def upload(self, upload_id: UploadId, *, lock: bool = False) -> Upload | None:
        """As it is now, even when this unit of work has read it before."""
        ...

    async def count_open(self, owner_id: UserId) -> int:
        """Uploads of a user that may still be sent. He begins no other until the transaction's end."""
        ...

    async def stored_bytes(self) -> int:
        """Of a tenant's blobs, and of its uploads that are none yet. Nobody begins another until the transaction's end."""
        ...

    async def announce(self, sha256: bytes, size: int) -> None:
        """Bytes are about to be written: for a while nobody deletes them, though no file holds them."""
        ...

    async def hold(self, sha256: bytes) -> None:
        """One file more. The bytes were announced and written."""
        ...

    async def release(self, sha256: bytes) -> None:
        """One file fewer. Without any, the bytes are an orphan's after a while."""
        ...

    async def expired(self, before: datetime, first: int) -> list[Upload]:
        """Uploads whose time was over before then, oldest first; locked, and without those that another has locked."""
        ...

    async def forget_upload(self, upload: Upload) -> None: ...
    async def orphans(self, before: datetime, first: int) -> list[bytes]:
        """Hashes of blobs that no file has held since then; locked as `expired` does."""
        ...

    async def forget_blob(self, sha256: bytes) -> None: ...
