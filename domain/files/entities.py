"""Files and the uploads that they come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.accounts import Actor
from domain.ids import FileId, TenantId, UploadId, UserId


class FileKind(StrEnum):
    """What a file's content was found to be, whatever its name says."""

    PDF = "PDF"
    DOCX = "DOCX"
    EPUB = "EPUB"
    HTML = "HTML"
    TEXT = "TEXT"
    PNG = "PNG"
    JPEG = "JPEG"
    WEBP = "WEBP"
    GIF = "GIF"


DOCUMENTS = frozenset({FileKind.PDF, FileKind.DOCX, FileKind.EPUB, FileKind.HTML, FileKind.TEXT})
IMAGES = frozenset({FileKind.PNG, FileKind.JPEG, FileKind.WEBP, FileKind.GIF})


class FilePurpose(StrEnum):
    """What a file is for: it decides what is accepted, and who may see it."""

    KNOWLEDGE = "KNOWLEDGE"
    MESSAGE_IMAGE = "MESSAGE_IMAGE"
    AVATAR = "AVATAR"
    ATTACHMENT = "ATTACHMENT"

    @property
    def kinds(self) -> frozenset[FileKind]:
        return _KINDS[self]


_KINDS = {
    FilePurpose.KNOWLEDGE: DOCUMENTS,
    FilePurpose.MESSAGE_IMAGE: IMAGES,
    FilePurpose.AVATAR: IMAGES,
    FilePurpose.ATTACHMENT: DOCUMENTS | IMAGES,
}
SHARED = frozenset({FilePurpose.KNOWLEDGE, FilePurpose.AVATAR})
"""Purposes whose files everybody sees who may read in the tenant. Others are seen by their owner alone."""


class UploadState(StrEnum):
    """Whether an upload has become a file."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"


@dataclass(frozen=True, slots=True)
class FileRules:
    """Limits. An image may not be larger than `image_bytes_max`, whatever it is for.

    `tenant_bytes_max` are of all that a tenant has kept, and of what is announced: equal content counts once.
    """

    knowledge_bytes_max: int = 100 << 20
    image_bytes_max: int = 10 << 20
    attachment_bytes_max: int = 25 << 20
    image_pixels_max: int = 40_000_000
    image_frames_max: int = 500
    upload_ttl: timedelta = timedelta(hours=1)
    link_ttl: timedelta = timedelta(minutes=15)
    tenant_bytes_max: int = 20 << 30

    def bytes_max(self, purpose: FilePurpose) -> int:
        if purpose is FilePurpose.KNOWLEDGE:
            return self.knowledge_bytes_max
        return self.attachment_bytes_max if purpose is FilePurpose.ATTACHMENT else self.image_bytes_max


@dataclass(eq=False)
class Upload:
    """Leave to send so many bytes under a name. Completed, it stands for its file until it is swept."""

    tenant_id: TenantId
    id: UploadId
    owner_id: UserId
    purpose: str
    name: str
    size: int
    expires_at: datetime
    state: str = UploadState.PENDING
    sha256: bytes | None = None
    file_id: FileId | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(eq=False)
class File:
    """A file of a tenant. Its bytes are a blob that other files of the same content share.

    `mime` follows from the content; `charset` is that of a text, `width` and `height` are in pixels, of an image.
    """

    tenant_id: TenantId
    id: FileId
    name: str
    mime: str
    size: int
    sha256: bytes
    purpose: str
    owner_id: UserId
    charset: str | None = None
    width: int | None = None
    height: int | None = None
    has_thumbnail: bool = False
    created_at: datetime | None = None
    deleted_at: datetime | None = None


def may_see(actor: Actor, purpose: str, owner_id: UserId) -> bool:
    """Whether somebody who may read in the tenant sees a file."""
    return purpose in SHARED or owner_id == actor.user_id
