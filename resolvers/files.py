"""Root fields of files."""

from typing import Annotated

import strawberry

from domain.accounts import Permission
from domain.errors import ErrorCode, Rejected
from domain.files.entities import FilePurpose
from domain.files.service import UploadDraft, create_upload, delete_file
from domain.ids import FileId, UploadId
from persistence.files import reads
from resolvers.mutations import refusals_as
from resolvers.operations import audited
from resolvers.projects import fresh
from schema import files as types
from schema.base import Connection
from schema.batched import After, Call, First, columns_of
from schema.context import Info
from schema.ids import decode_id

SHA256_BYTES = 32


@strawberry.type
class FileQueries:
    @strawberry.field(description="The files that you may see, newest first.")
    async def files(
        self, info: Info, first: First = 20, after: After = None,
        purpose: Annotated[FilePurpose | None, strawberry.argument(description="Only those for this.")] = None,
    ) -> Connection[types.File]:  # fmt: skip
        call = Call(reads.FILES, {"viewer": info.context.actor.user_id, "purpose": purpose})
        columns = columns_of(info, "File", "edges", "node")
        return await info.context.reader().listed(call, first, after, columns)  # type: ignore[attr-defined,no-any-return]


@strawberry.type
class FileMutations:
    @strawberry.mutation(description="Begin to upload a file: send its bytes to the address that this answers with.")
    @refusals_as(types.UploadCreatePayload)
    async def upload_create(self, info: Info, input: types.UploadCreateInput) -> types.UploadCreatePayload:
        actor, services = info.context.actor, info.context.services
        draft = UploadDraft(input.file_name, input.size, input.purpose)
        async with services.units(actor.tenant_id) as uow:
            upload = await create_upload(uow, actor, draft, services.files.rules)
        return types.UploadCreatePayload(upload=types.upload_type(upload, await services.file_links.upload(upload)))

    @strawberry.mutation(
        description="Make a file of the bytes that were sent, if they are what they should be. With the same hash it "
        "answers the same again."
    )
    @refusals_as(types.UploadCompletePayload)
    async def upload_complete(self, info: Info, input: types.UploadCompleteInput) -> types.UploadCompletePayload:
        actor = info.context.actor
        actor.require(Permission.WRITE)
        upload_id = UploadId(decode_id("Upload", input.upload_id, "uploadId"))
        file_id = await info.context.services.files.complete(actor, upload_id, _sha256(input.sha256))
        return types.UploadCompletePayload(file=await fresh(info, "File", file_id))

    @strawberry.mutation(description="Delete a file of your own, or as an administrator one that you see.")
    @refusals_as(types.FileDeletePayload)
    async def file_delete(self, info: Info, input: types.FileDeleteInput) -> types.FileDeletePayload:
        actor, file_id = info.context.actor, FileId(decode_id("File", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            file = await delete_file(uow, actor, file_id)
            await audited(info, uow, "file.delete", ("File", file_id), {"purpose": file.purpose})
        return types.FileDeletePayload(deleted_id=input.id)


def _sha256(value: str) -> bytes:
    try:
        digest = bytes.fromhex(value)
    except ValueError:
        digest = b""
    if len(digest) != SHA256_BYTES or len(value) != 2 * SHA256_BYTES:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A SHA-256 is 64 hexadecimal digits.", "input", "sha256")
    return digest
