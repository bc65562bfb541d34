"""From an upload to a file, and what is refused on the way."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from domain.accounts import Actor, Role
from domain.errors import ErrorCode, Forbidden
from domain.files.blobs import blob_key, staging_key, thumbnail_key
from domain.files.desk import DECODED_AT_ONCE, ORPHANS_KEPT, UPLOADS_KEPT, FileDesk
from domain.files.entities import File, FileKind, FilePurpose, FileRules, Upload
from domain.files.images import Picture
from domain.files.service import OPEN_UPLOADS_MAX, UploadDraft, create_upload, delete_file, visible_file
from domain.ids import TenantId, UploadId, new_id
from tests import file_samples as samples
from tests.domain.memory import NOW, MemoryUnitOfWork
from tests.domain.memory.files import MemoryBlobs
from tests.domain.world import actor_of, refused

RULES = FileRules(knowledge_bytes_max=2_000, image_bytes_max=1_000, attachment_bytes_max=1_500)
TEXT = b"The lamp burned all night."


class Flat:
    """An image reader that looks at nothing."""

    def read(self, file: BinaryIO, kind: FileKind) -> Picture:
        return Picture(40, 30, b"small")


class Office:
    """A desk in one tenant, and somebody at it."""

    def __init__(self, scratch: Path) -> None:
        self.uow = MemoryUnitOfWork()
        self.blobs = MemoryBlobs()
        self.author = actor_of(self.uow.tenant_id, Role.AUTHOR)
        self.desk = FileDesk(self._unit, self.blobs, Flat(), RULES, scratch)

    @contextlib.asynccontextmanager
    async def _unit(self, tenant_id: TenantId) -> AsyncIterator[MemoryUnitOfWork]:
        assert tenant_id == self.uow.tenant_id
        yield self.uow

    async def begin(
        self, content: bytes = TEXT, name: str = "lamp.txt", purpose: FilePurpose = FilePurpose.KNOWLEDGE,
        actor: Actor | None = None, *, announced: int | None = None,
    ) -> Upload:  # fmt: skip
        draft = UploadDraft(name, len(content) if announced is None else announced, purpose)
        upload = await create_upload(self.uow, actor or self.author, draft, RULES)
        self.blobs.kept[staging_key(upload.tenant_id, upload.id)] = content
        return upload

    async def complete(self, upload: Upload, content: bytes = TEXT, actor: Actor | None = None) -> File:
        file_id = await self.desk.complete(actor or self.author, upload.id, hashlib.sha256(content).digest())
        return self.uow.files.files[file_id]

    async def file(
        self, content: bytes = TEXT, name: str = "lamp.txt", purpose: FilePurpose = FilePurpose.KNOWLEDGE
    ) -> File:
        return await self.complete(await self.begin(content, name, purpose), content)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "scratch")


async def test_an_upload_becomes_a_file_of_what_was_sent(office: Office) -> None:
    upload = await office.begin(samples.PNG, "lamp.png", FilePurpose.MESSAGE_IMAGE)
    file = await office.complete(upload, samples.PNG)
    assert (file.name, file.mime, file.size, file.owner_id) == (
        "lamp.png", "image/png", len(samples.PNG), office.author.user_id
    )  # fmt: skip
    assert (file.width, file.height, file.has_thumbnail, file.charset) == (40, 30, True, None)
    tenant = file.tenant_id
    kept = {blob_key(tenant, file.sha256): samples.PNG, thumbnail_key(tenant, file.sha256): b"small"}
    assert office.blobs.kept == kept  # and nothing is staged any more


async def test_the_same_bytes_are_kept_once_and_as_long_as_a_file_needs_them(office: Office) -> None:
    one, two = await office.file(name="one.txt"), await office.file(name="two.md")
    key = blob_key(one.tenant_id, one.sha256)
    assert (one.id != two.id, one.mime, two.mime) == (True, "text/plain", "text/markdown")
    assert office.blobs.written.count(key) == 1
    assert office.uow.files.blobs[one.sha256].refs == 2
    await delete_file(office.uow, office.author, one.id)
    assert office.uow.files.blobs[one.sha256].refs == 1
    office.uow.now = NOW + timedelta(days=9)
    await office.desk.sweep(one.tenant_id)
    assert office.blobs.kept[key] == TEXT


async def test_who_completes_again_gets_the_same_file(office: Office) -> None:
    upload = await office.begin()
    file = await office.complete(upload)
    assert await office.complete(upload) is file
    assert office.uow.files.blobs[file.sha256].refs == 1


async def test_another_hash_than_it_was_completed_with_conflicts(office: Office) -> None:
    upload = await office.begin()
    await office.complete(upload)
    with refused(ErrorCode.CONFLICT, "sha256"):
        await office.complete(upload, b"something else")


async def test_the_second_of_two_who_complete_at_once_finds_the_firsts_file(office: Office) -> None:
    """The upload is completed while the second examines: only its last transaction can know."""
    upload = await office.begin()
    before = replace(upload)
    file = await office.complete(upload)
    office.blobs.kept[staging_key(upload.tenant_id, upload.id)] = TEXT
    rows = iter([before, upload])
    office.uow.files.upload = lambda *_, **__: _async(next(rows))  # type: ignore[method-assign]
    assert await office.complete(upload) is file
    assert office.uow.files.blobs[file.sha256].refs == 1


async def _async(value: Upload) -> Upload:
    return value


async def test_another_hash_than_that_of_the_bytes_is_refused_and_can_be_mended(office: Office) -> None:
    upload = await office.begin()
    with refused(ErrorCode.HASH_MISMATCH, "sha256"):
        await office.complete(upload, b"what I meant to send")
    assert not office.uow.files.files and not office.uow.files.blobs
    assert (await office.complete(upload)).size == len(TEXT)


async def test_nothing_sent_less_sent_and_more_sent_are_refused(office: Office) -> None:
    nothing = await office.begin()
    office.blobs.kept.clear()
    with refused(ErrorCode.INVALID_STATE, "uploadId"):
        await office.complete(nothing)
    less = await office.begin(announced=len(TEXT) + 1)
    with refused(ErrorCode.INVALID_STATE, "uploadId"):
        await office.complete(less)
    more = await office.begin(announced=len(TEXT) - 1)
    with refused(ErrorCode.FILE_TOO_LARGE, "uploadId"):
        await office.complete(more)


async def test_an_upload_is_completed_by_who_began_it_alone(office: Office) -> None:
    upload = await office.begin()
    for other in (actor_of(office.uow.tenant_id, Role.OWNER), actor_of(office.uow.tenant_id, Role.AUTHOR)):
        with refused(ErrorCode.NOT_FOUND, "uploadId"):
            await office.complete(upload, actor=other)
    with refused(ErrorCode.NOT_FOUND, "uploadId"):
        await office.desk.complete(office.author, UploadId(new_id()), bytes(32))


async def test_who_may_not_write_may_not_upload(office: Office) -> None:
    viewer = actor_of(office.uow.tenant_id, Role.VIEWER)
    with pytest.raises(Forbidden):
        await office.begin(actor=viewer)
    with pytest.raises(Forbidden):
        await office.complete(await office.begin(), actor=viewer)


@pytest.mark.parametrize(
    ("purpose", "bytes_max"),
    [(FilePurpose.KNOWLEDGE, 2_000), (FilePurpose.ATTACHMENT, 1_500), (FilePurpose.MESSAGE_IMAGE, 1_000),
     (FilePurpose.AVATAR, 1_000)],
)  # fmt: skip
async def test_a_file_has_from_one_byte_to_as_many_as_its_purpose_allows(
    office: Office, purpose: FilePurpose, bytes_max: int
) -> None:
    for size in (1, bytes_max):
        assert (await office.begin(name="a", purpose=purpose, announced=size)).size == size
    with refused(ErrorCode.FILE_TOO_LARGE, "size"):
        await office.begin(name="a", purpose=purpose, announced=bytes_max + 1)
    for size in (0, -1):
        with refused(ErrorCode.EMPTY, "size"):
            await office.begin(name="a", purpose=purpose, announced=size)


def test_what_is_accepted_unless_a_site_says_otherwise() -> None:
    rules = FileRules()
    assert rules.bytes_max(FilePurpose.KNOWLEDGE) == 100 << 20
    assert rules.bytes_max(FilePurpose.MESSAGE_IMAGE) == rules.bytes_max(FilePurpose.AVATAR) == 10 << 20


async def test_an_image_is_no_larger_than_images_may_be_whatever_it_is_for(office: Office) -> None:
    for size, code in ((1_000, None), (1_001, ErrorCode.FILE_TOO_LARGE)):
        content = samples.image("PNG", size=(9, 9))
        padding = size - len(content) - 12
        content = content[:33] + padding.to_bytes(4, "big") + b"teXt" + bytes(padding + 4) + content[33:]
        assert len(content) == size
        upload = await office.begin(content, "a.png", FilePurpose.ATTACHMENT)
        with refused(code, "uploadId") if code else contextlib.nullcontext():
            await office.complete(upload, content)


@pytest.mark.parametrize(
    ("content", "name", "purpose", "code"),
    [
        (samples.PNG, "a", FilePurpose.KNOWLEDGE, ErrorCode.FILE_TYPE_REFUSED),
        (samples.PDF, "a", FilePurpose.AVATAR, ErrorCode.FILE_TYPE_REFUSED),
        (samples.PAGE, "a.txt", FilePurpose.KNOWLEDGE, ErrorCode.FILE_TYPE_MISMATCH),
        (samples.PDF + samples.DOCX, "a.pdf", FilePurpose.KNOWLEDGE, ErrorCode.FILE_AMBIGUOUS),
        (samples.DOCX[:-4], "a.docx", FilePurpose.ATTACHMENT, ErrorCode.FILE_DAMAGED),
    ],
)
async def test_content_that_is_not_what_it_should_be_is_refused(
    office: Office, content: bytes, name: str, purpose: FilePurpose, code: ErrorCode
) -> None:
    upload = await office.begin(content, name, purpose)
    with refused(code, "uploadId"):
        await office.complete(upload, content)
    assert not office.uow.files.files


async def test_whoever_decodes_images_keeps_nobody_waiting_who_has_none(office: Office) -> None:
    let_go = threading.Event()

    class Slow:
        def read(self, file: BinaryIO, kind: FileKind) -> Picture:
            let_go.wait(10)
            return Picture(40, 30, b"small")

    office.desk._images = Slow()
    waiting = []
    for _ in range(DECODED_AT_ONCE + 1):
        other = actor_of(office.uow.tenant_id)
        upload = await office.begin(samples.PNG, "lamp.png", FilePurpose.AVATAR, other)
        waiting.append(asyncio.create_task(office.complete(upload, samples.PNG, other)))
    await asyncio.sleep(0.2)
    try:
        assert (await asyncio.wait_for(office.file(), 5)).size == len(TEXT)
        assert not any(one.done() for one in waiting)
    finally:
        let_go.set()
    assert len({(await one).id for one in waiting}) == DECODED_AT_ONCE + 1


async def test_a_tenant_keeps_so_many_bytes_and_announces_no_more(office: Office) -> None:
    rules = replace(RULES, tenant_bytes_max=3 * len(TEXT))
    draft = UploadDraft("lamp.txt", len(TEXT), FilePurpose.KNOWLEDGE)
    await office.file()
    await office.file(name="again.txt")  # of the same bytes
    await office.begin(announced=len(TEXT))
    await create_upload(office.uow, office.author, draft, rules)
    with refused(ErrorCode.STORAGE_FULL, "size"):
        await create_upload(office.uow, actor_of(office.uow.tenant_id), replace(draft, size=1), rules)


async def test_a_user_has_so_many_uploads_open(office: Office) -> None:
    for _ in range(OPEN_UPLOADS_MAX):
        upload = await office.begin()
    with refused(ErrorCode.LIMIT_REACHED):
        await office.begin()
    await office.begin(actor=actor_of(office.uow.tenant_id))  # who has none yet
    await office.complete(upload)
    await office.begin()


async def test_private_files_are_their_owners_and_shared_ones_everybodys(office: Office) -> None:
    other = actor_of(office.uow.tenant_id, Role.OWNER)
    for purpose, shared in (
        (FilePurpose.KNOWLEDGE, True), (FilePurpose.AVATAR, True),
        (FilePurpose.ATTACHMENT, False), (FilePurpose.MESSAGE_IMAGE, False),
    ):  # fmt: skip
        content = TEXT if purpose is FilePurpose.KNOWLEDGE else samples.PNG
        file = await office.file(content, "a", purpose=purpose)
        assert await visible_file(office.uow.files, office.author, file.id) is file
        with contextlib.nullcontext() if shared else refused(ErrorCode.NOT_FOUND, "fileId"):
            assert await visible_file(office.uow.files, other, file.id) is file
        with contextlib.nullcontext() if shared else refused(ErrorCode.NOT_FOUND, "id"):
            await delete_file(office.uow, other, file.id)


async def test_a_shared_file_is_deleted_by_its_owner_or_an_administrator_once(office: Office) -> None:
    file = await office.file()
    with refused(ErrorCode.FORBIDDEN, "id"):
        await delete_file(office.uow, actor_of(office.uow.tenant_id, Role.EDITOR), file.id)
    await delete_file(office.uow, actor_of(office.uow.tenant_id, Role.ADMIN), file.id)
    with refused(ErrorCode.NOT_FOUND, "id"):
        await delete_file(office.uow, office.author, file.id)
    assert office.uow.files.blobs[file.sha256].refs == 0


async def test_what_is_left_is_swept_when_its_time_has_come_and_not_before(office: Office) -> None:
    upload, file = await office.begin(b"left behind"), await office.file()
    await delete_file(office.uow, office.author, file.id)
    tenant = file.tenant_id
    for now, blob, staged in (
        (NOW + ORPHANS_KEPT, True, True),
        (NOW + ORPHANS_KEPT + timedelta(seconds=1), False, True),
        (upload.expires_at + UPLOADS_KEPT, False, True),
        (upload.expires_at + UPLOADS_KEPT + timedelta(seconds=1), False, False),
    ):
        office.uow.now = now
        await office.desk.sweep(tenant)
        assert (blob_key(tenant, file.sha256) in office.blobs.kept) is blob, now
        assert (staging_key(tenant, upload.id) in office.blobs.kept) is staged, now
    assert (office.uow.files.uploads, office.uow.files.blobs, await office.desk.sweep(tenant)) == ({}, {}, 0)
