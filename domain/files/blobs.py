"""Where bytes are kept: one port, a directory or an S3 bucket behind it.

A blob is there whole or not at all: what a killed process was writing is never seen under its key. Keys are made here
and nowhere else, of identifiers in hexadecimal, so nothing that a client says becomes part of one.

    BlobMissing     nothing is kept under this key
    BlobTooLarge    there is more than was asked for
    BlobsAway       the store did not answer, or not as it should: the next time it may
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol

from domain.errors import DomainError
from domain.ids import TenantId, UploadId

CHUNK_BYTES = 1 << 20
"""How much of a blob is in memory at a time, for each that is read or written."""


class BlobMissing(DomainError):
    """Nothing is kept under this key."""


class BlobTooLarge(DomainError):
    """There is more than was asked for."""


class BlobsAway(DomainError):
    """What keeps them did not answer, or not as it should: the next time it may."""


class BlobStore(Protocol):
    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Keep what the chunks come to, in place of what was there; how many bytes. Raises what the chunks raise."""
        ...

    def open(self, key: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start`, in chunks; all for a `length` of None.

        Raises BlobMissing at the first, BlobsAway at any.
        """
        ...

    async def read(self, key: str, max_bytes: int) -> bytes:
        """The whole. Raises BlobMissing, BlobTooLarge, BlobsAway."""
        ...

    async def delete(self, key: str) -> None:
        """What is not there is deleted."""
        ...

    async def size(self, key: str) -> int | None:
        """In bytes; None when there is none."""
        ...

    async def upload_url(self, key: str, size: int, ttl: timedelta) -> str | None:
        """Where a client may PUT just so many bytes by itself; None for a store that clients cannot reach."""
        ...

    async def tidy(self, older_than: timedelta) -> int:
        """Remove what killed writers left behind so long ago; how much that was."""
        ...


async def read_whole(store: BlobStore, key: str, max_bytes: int) -> bytes:
    """What `BlobStore.read` promises, by way of `open`."""
    found = bytearray()
    async for chunk in store.open(key, length=max_bytes + 1):
        found += chunk
    if len(found) > max_bytes:
        raise BlobTooLarge
    return bytes(found)


def staging_key(tenant_id: TenantId, upload_id: UploadId) -> str:
    """Of what was sent and nobody has looked at yet."""
    return f"staging/{tenant_id.hex}/{upload_id.hex}"


def blob_key(tenant_id: TenantId, sha256: bytes) -> str:
    digest = sha256.hex()
    return f"blobs/{tenant_id.hex}/{digest[:2]}/{digest}"


def thumbnail_key(tenant_id: TenantId, sha256: bytes) -> str:
    digest = sha256.hex()
    return f"thumbnails/{tenant_id.hex}/{digest[:2]}/{digest}"
