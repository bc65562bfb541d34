"""Uploads become files: bytes are copied, hashed, examined and kept, in this order, and rows say so last.

A process that is killed anywhere in it leaves the upload as it was, to be completed again, and perhaps bytes that no
file holds, which are swept. Bytes that were examined are the bytes that are kept: what a client sends to the same
address meanwhile changes the staged copy alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from domain.accounts import Actor, Permission
from domain.errors import ErrorCode, NotFound, Rejected
from domain.files.blobs import CHUNK_BYTES, BlobMissing, BlobStore, blob_key, staging_key, thumbnail_key
from domain.files.entities import IMAGES, File, FilePurpose, FileRules, Upload, UploadState
from domain.files.images import ImageReader, Picture
from domain.files.names import accepted, mime_of
from domain.files.sniffing import Sniffed, sniff
from domain.ids import FileId, TenantId, UploadId, UserId, new_id
from domain.unit_of_work import OpenUnitOfWork, UnitOfWork

COPIED_AT_ONCE = 2
"""Of one user, in one process: who completes many uploads at once keeps nobody else waiting."""
DECODED_AT_ONCE = 2
"""In one process: a decoded image takes a hundred times the memory of its file."""
UPLOADS_KEPT = timedelta(days=1)
"""So long after its time is over an upload can be completed, and answers for its file."""
ORPHANS_KEPT = timedelta(hours=1)
"""Longer than it takes to complete an upload."""
SWEPT_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Examined:
    """What the bytes turned out to be."""

    sha256: bytes
    mime: str
    charset: str | None
    picture: Picture | None


class FileDesk:
    """`scratch` is a directory on a disk: copies of what is examined lie there, and vanish with the process."""

    def __init__(
        self, units: OpenUnitOfWork, blobs: BlobStore, images: ImageReader, rules: FileRules, scratch: Path
    ) -> None:
        self.rules = rules
        self._units = units
        self._blobs = blobs
        self._images = images
        self._scratch = scratch
        self._turns = asyncio.Semaphore(DECODED_AT_ONCE)
        self._lines: WeakValueDictionary[UserId, asyncio.Semaphore] = WeakValueDictionary()

    async def complete(self, actor: Actor, upload_id: UploadId, sha256: bytes) -> FileId:
        """The file that an upload has become; the same one whenever it is asked for again.

        Raises Rejected with NOT_FOUND for another's upload, CONFLICT for another hash than it was completed with,
        INVALID_STATE while not all of it was sent, HASH_MISMATCH, FILE_TOO_LARGE, and what examining refuses.
        """
        actor.require(Permission.WRITE)
        async with self._units(actor.tenant_id) as uow:
            upload = await self._mine(uow, actor, upload_id)
        if upload.state == UploadState.COMPLETED:
            return _the_same(upload, sha256)
        async with self._lines.setdefault(actor.user_id, asyncio.Semaphore(COPIED_AT_ONCE)):
            with await asyncio.to_thread(self._scratch_file) as copy:
                await self._copy(upload, copy, sha256)
                found = await self._examine(copy, upload, sha256)
                await self._keep(upload, copy, found)
        async with self._units(actor.tenant_id) as uow:
            file_id = await self._file(uow, actor, upload_id, found)
        await self._blobs.delete(staging_key(upload.tenant_id, upload.id))
        return file_id

    async def sweep(self, tenant_id: TenantId) -> int:
        """Forget some uploads whose time is over, and some blobs that no file holds; how many. None: there are no more."""
        async with self._units(tenant_id) as uow:
            uploads = await uow.files.expired(uow.now - UPLOADS_KEPT, SWEPT_AT_ONCE)
            for upload in uploads:
                await self._blobs.delete(staging_key(tenant_id, upload.id))
                await uow.files.forget_upload(upload)
        async with self._units(tenant_id) as uow:
            orphans = await uow.files.orphans(uow.now - ORPHANS_KEPT, SWEPT_AT_ONCE)
            for sha256 in orphans:
                await self._blobs.delete(thumbnail_key(tenant_id, sha256))
                await self._blobs.delete(blob_key(tenant_id, sha256))
                await uow.files.forget_blob(sha256)
        return len(uploads) + len(orphans)

    async def _mine(self, uow: UnitOfWork, actor: Actor, upload_id: UploadId, *, lock: bool = False) -> Upload:
        upload = await uow.files.upload(upload_id, lock=lock)
        if upload is None or upload.owner_id != actor.user_id:
            raise NotFound("The upload", "input", "uploadId")
        return upload

    def _scratch_file(self) -> BinaryIO:
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._scratch)

    async def _copy(self, upload: Upload, copy: BinaryIO, sha256: bytes) -> None:
        """Fill the copy with what was sent. Raises Rejected."""
        digest, size = hashlib.sha256(), 0

        def take(chunk: bytes) -> None:
            digest.update(chunk)
            copy.write(chunk)

        try:
            async for chunk in self._blobs.open(staging_key(upload.tenant_id, upload.id), length=upload.size + 1):
                size += len(chunk)
                await asyncio.to_thread(take, chunk)
        except BlobMissing:
            raise Rejected(ErrorCode.INVALID_STATE, "Nothing was sent yet.", "input", "uploadId") from None
        if size > upload.size:
            message = f"More than the {upload.size:,} bytes were sent that were announced."
            raise Rejected(ErrorCode.FILE_TOO_LARGE, message, "input", "uploadId")
        if size < upload.size:
            message = f"Of {upload.size:,} bytes, only {size:,} were sent."
            raise Rejected(ErrorCode.INVALID_STATE, message, "input", "uploadId")
        if digest.digest() != sha256:
            raise Rejected(ErrorCode.HASH_MISMATCH, "The bytes sent have another SHA-256.", "input", "sha256")

    async def _examine(self, copy: BinaryIO, upload: Upload, sha256: bytes) -> Examined:
        """Raises Rejected."""
        purpose = FilePurpose(upload.purpose)
        sniffed = await asyncio.to_thread(sniff, copy, upload.size)
        if sniffed.kind not in purpose.kinds:
            message = f"The content is {sniffed.kind}. {accepted(purpose)}"
            raise Rejected(ErrorCode.FILE_TYPE_REFUSED, message, "input", "uploadId")
        mime = mime_of(sniffed.kind, upload.name)
        return Examined(sha256, mime, sniffed.charset, await self._picture(copy, upload, sniffed))

    async def _picture(self, copy: BinaryIO, upload: Upload, sniffed: Sniffed) -> Picture | None:
        if sniffed.kind not in IMAGES:
            return None
        if upload.size > self.rules.image_bytes_max:
            message = f"An image has at most {self.rules.image_bytes_max:,} bytes."
            raise Rejected(ErrorCode.FILE_TOO_LARGE, message, "input", "uploadId")
        copy.seek(0)
        async with self._turns:
            return await asyncio.to_thread(self._images.read, copy, sniffed.kind)

    async def _keep(self, upload: Upload, copy: BinaryIO, found: Examined) -> None:
        """See that the bytes are there. Announced first, they are deleted by nobody before a file holds them."""
        tenant_id = upload.tenant_id
        async with self._units(tenant_id) as uow:
            await uow.files.announce(found.sha256, upload.size)
        if await self._blobs.size(blob_key(tenant_id, found.sha256)) != upload.size:
            await self._blobs.write(blob_key(tenant_id, found.sha256), _chunks(copy))
        if found.picture is not None:
            await self._blobs.write(thumbnail_key(tenant_id, found.sha256), _once(found.picture.thumbnail))

    async def _file(self, uow: UnitOfWork, actor: Actor, upload_id: UploadId, found: Examined) -> FileId:
        """The rows of it all. Of two who complete an upload at once, the second finds what the first made."""
        upload = await self._mine(uow, actor, upload_id, lock=True)
        if upload.state == UploadState.COMPLETED:
            return _the_same(upload, found.sha256)
        picture = found.picture
        file = File(
            upload.tenant_id, FileId(new_id()), upload.name, found.mime, upload.size, found.sha256, upload.purpose,
            upload.owner_id, found.charset, picture.width if picture else None, picture.height if picture else None,
            picture is not None,
        )  # fmt: skip
        await uow.files.hold(found.sha256)
        await uow.files.add(file)
        upload.state, upload.sha256, upload.file_id = UploadState.COMPLETED, found.sha256, file.id
        upload.completed_at = uow.now
        return file.id


def _the_same(upload: Upload, sha256: bytes) -> FileId:
    if upload.sha256 != sha256 or upload.file_id is None:
        message = "This upload was completed with another SHA-256."
        raise Rejected(ErrorCode.CONFLICT, message, "input", "sha256")
    return upload.file_id


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    file.seek(0)
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
