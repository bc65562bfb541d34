"""Use cases of the files room that are one transaction; `desk` has those that move bytes."""

from __future__ import annotations

from dataclasses import dataclass

from domain.accounts import Actor, Permission
from domain.errors import ErrorCode, NotFound, Rejected
from domain.files.entities import File, FilePurpose, FileRules, Upload, may_see
from domain.files.names import clean_name
from domain.files.store import FileStore
from domain.ids import FileId, UploadId, new_id
from domain.unit_of_work import UnitOfWork

OPEN_UPLOADS_MAX = 100
"""Of one user, that were begun and not completed, and whose time is not over."""


@dataclass(frozen=True, slots=True)
class UploadDraft:
    """What somebody is going to send; `size` in bytes."""

    name: str
    size: int
    purpose: FilePurpose


async def create_upload(uow: UnitOfWork, actor: Actor, draft: UploadDraft, rules: FileRules) -> Upload:
    """Raises Rejected with EMPTY, FILE_TOO_LARGE, LIMIT_REACHED, STORAGE_FULL, or as `clean_name` does."""
    actor.require(Permission.WRITE)
    name = clean_name(draft.name, draft.purpose)
    if draft.size < 1:
        raise Rejected(ErrorCode.EMPTY, "A file has at least one byte.", "input", "size")
    bytes_max = rules.bytes_max(draft.purpose)
    if draft.size > bytes_max:
        raise Rejected(ErrorCode.FILE_TOO_LARGE, f"At most {bytes_max:,} bytes.", "input", "size")
    if await uow.files.count_open(actor.user_id) >= OPEN_UPLOADS_MAX:
        message = f"At most {OPEN_UPLOADS_MAX} uploads may be open: complete some, or wait until they expire."
        raise Rejected(ErrorCode.LIMIT_REACHED, message)
    if await uow.files.stored_bytes() + draft.size > rules.tenant_bytes_max:
        message = f"All files of a tenant have at most {rules.tenant_bytes_max:,} bytes. Delete some that nobody needs."
        raise Rejected(ErrorCode.STORAGE_FULL, message, "input", "size")
    expires_at = uow.now + rules.upload_ttl
    upload = Upload(
        actor.tenant_id, UploadId(new_id()), actor.user_id, draft.purpose, name, draft.size,
        expires_at.replace(microsecond=0),
    )  # fmt: skip
    await uow.files.add(upload)
    return upload


async def delete_file(uow: UnitOfWork, actor: Actor, file_id: FileId) -> File:
    """The owner's or an administrator's to do. What others hold of the same bytes stays.

    Refused while a document of a knowledge base stands on it, which could not be ingested again.
    """
    actor.require(Permission.WRITE)
    file = await uow.files.file(file_id, lock=True)
    if file is None or not may_see(actor, file.purpose, file.owner_id):
        raise NotFound("The file", "input", "id")
    if file.owner_id != actor.user_id and Permission.ADMIN not in actor.permissions:
        message = "Only who uploaded a file, or an administrator, may delete it."
        raise Rejected(ErrorCode.FORBIDDEN, message, "input", "id")
    if await uow.knowledge.stands_on(file.id):
        message = "A document of a knowledge base stands on this file. Delete the document first."
        raise Rejected(ErrorCode.INVALID_STATE, message, "input", "id")
    file.deleted_at = uow.now
    await uow.files.release(file.sha256)
    return file


async def visible_file(files: FileStore, actor: Actor, file_id: FileId, field: str = "fileId") -> File:
    """A file that the actor may use. Raises NotFound, for what is not there and for what is another's alike."""
    file = await files.file(file_id)
    if file is None or not may_see(actor, file.purpose, file.owner_id):
        raise NotFound("The file", "input", field)
    return file
