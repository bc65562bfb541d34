"""Files and uploads."""

from datetime import UTC, datetime
from typing import Any

import strawberry

from domain.files import entities as domain
from domain.files.entities import FilePurpose, Upload
from domain.files.links import UploadLink
from schema.accounts import User
from schema.base import Node, Payload, described_enum, mapped
from schema.batched import found, needs
from schema.context import Info
from schema.ids import encode_id

described_enum(
    FilePurpose,
    KNOWLEDGE="A document of a knowledge base: PDF, DOCX, EPUB, HTML, Markdown or text. Everybody in the tenant sees it.",
    MESSAGE_IMAGE="An image in a conversation: PNG, JPEG, WEBP or GIF. Its owner alone sees it.",
    AVATAR="A picture of somebody or something: PNG, JPEG, WEBP or GIF. Everybody in the tenant sees it.",
    ATTACHMENT="A document or an image that goes with something else. Its owner alone sees it.",
)


@mapped(domain.File, name="Its name, as it was uploaded.", width="Of an image, in pixels; null for anything else.",
        height="Of an image, in pixels; null for anything else.", created_at="When its upload was completed.")  # fmt: skip
class File(Node):
    """A file. Files of the same content share their bytes."""

    purpose: FilePurpose = strawberry.field(description="What it is for.")
    owner: User | None = found(
        "User", lambda file: file.owner_id, metadata=needs("owner_id"),
        description="Who uploaded it; null when they have left the tenant.",
    )  # fmt: skip

    @strawberry.field(description="The media type of its content, which was looked at.", metadata=needs("mime"))
    def mime_type(self) -> str:
        return str(self.mime)

    @strawberry.field(description="In bytes.", metadata=needs("size"))
    def size(self) -> int:
        return int(self.size)

    @strawberry.field(description="The SHA-256 of its content, in hexadecimal.", metadata=needs("sha256"))
    def sha256(self) -> str:
        return bytes(self.sha256).hex()

    @strawberry.field(
        description="Where it can be fetched without credentials, for some minutes: ask again when it is needed again. "
        "A path on the API's own address, or absolute where the site has a public one.",
        metadata=needs("id"),
    )
    def url(self, info: Info) -> str:
        return _url(self, info, thumbnail=False)

    @strawberry.field(
        description="The same for a still WEBP of at most 512 pixels a side; null for what is no image.",
        metadata=needs("id", "has_thumbnail"),
    )
    def thumbnail_url(self, info: Info) -> str | None:
        return _url(self, info, thumbnail=True) if self.has_thumbnail else None


def _url(file: Any, info: Info, *, thumbnail: bool) -> str:
    links, tenant_id = info.context.services.file_links, info.context.actor.tenant_id
    return str(links.download(tenant_id, file.id, datetime.now(UTC), thumbnail=thumbnail))


@strawberry.type(name="Upload", description="Leave to send the bytes of one file, and how.")
class UploadType:
    id: strawberry.ID = strawberry.field(description="What `uploadComplete` is told.")
    url: str = strawberry.field(
        description="Where to send the bytes, without credentials. A path on the API's own address, or absolute where "
        "the site has a public one or keeps files in a bucket."
    )
    method: str = strawberry.field(description="The HTTP method: PUT.")
    headers: strawberry.scalars.JSON = strawberry.field(description="Headers to send: an object of names and values.")
    expires_at: datetime = strawberry.field(description="Until when they may be sent.")


def upload_type(upload: Upload, link: UploadLink) -> UploadType:
    return UploadType(
        id=strawberry.ID(encode_id("Upload", upload.id)), url=link.url, method=link.method, headers=strawberry.scalars.JSON(link.headers),
        expires_at=link.expires_at,
    )  # fmt: skip


@strawberry.input(description="A file that is going to be sent.")
class UploadCreateInput:
    file_name: str = strawberry.field(
        description="Its name without a path, at most 200 characters. An extension must be one that the purpose takes."
    )
    size: int = strawberry.field(description="In bytes: just so many are taken.")
    purpose: FilePurpose = strawberry.field(description="What it is for.")


@strawberry.input(description="An upload whose bytes were sent.")
class UploadCompleteInput:
    upload_id: strawberry.ID = strawberry.field(description="The upload.")
    sha256: str = strawberry.field(description="The SHA-256 of the bytes, in hexadecimal: 64 digits.")


@strawberry.input(description="A file to delete.")
class FileDeleteInput:
    id: strawberry.ID = strawberry.field(description="The file.")


@strawberry.type(description="How to send the bytes.")
class UploadCreatePayload(Payload):
    upload: UploadType | None = strawberry.field(default=None, description="The upload.")


@strawberry.type(description="What the upload has become.")
class UploadCompletePayload(Payload):
    file: File | None = strawberry.field(default=None, description="The file.")


@strawberry.type(description="What was deleted.")
class FileDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The deleted file's id.")
