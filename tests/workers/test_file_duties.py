"""What the clock does with files: what nobody completed goes, and what no file holds."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.blobs_local import LocalBlobs
from adapters.images import PillowImages
from app.relay import file_duties
from app.settings import Settings
from domain.accounts import GRANTS, Actor, Role
from domain.files.blobs import blob_key, staging_key
from domain.files.desk import FileDesk
from domain.files.entities import FilePurpose, FileRules, Upload
from domain.files.service import UploadDraft, create_upload, delete_file
from domain.ids import UserId, new_id
from persistence.database import Database, create_engine
from persistence.operations.due import DueTenants
from persistence.unit_of_work import Units
from tests.workers.desk import Desk

TEXT = b"The lamp burned all night."
SHA256 = hashlib.sha256(TEXT).digest()


@pytest.fixture
async def due(settings: Settings) -> AsyncIterator[DueTenants]:
    engine = create_engine(settings.database_relay_url.get_secret_value(), pool_size=0)
    yield DueTenants(engine)
    await engine.dispose()


async def _once() -> AsyncIterator[bytes]:
    yield TEXT


async def test_what_is_left_is_swept_in_the_tenants_that_have_some(
    desk: Desk, due: DueTenants, units: Units, admin: Database, tmp_path: Path
) -> None:
    blobs, rules = LocalBlobs(tmp_path / "blobs"), FileRules()
    files = FileDesk(units, blobs, PillowImages(pixels_max=9, frames_max=9), rules, tmp_path / "scratch")
    actor = Actor(desk.tenant_id, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
    sweep = file_duties(due, files, blobs)["files.sweep"].run

    async def sent() -> Upload:
        async with units(desk.tenant_id) as uow:
            draft = UploadDraft("a.txt", len(TEXT), FilePurpose.KNOWLEDGE)
            upload = await create_upload(uow, actor, draft, rules)
        await blobs.write(staging_key(desk.tenant_id, upload.id), _once())
        return upload

    async def later(what: str) -> None:
        async with admin.engine.begin() as connection:
            await connection.execute(text(what), {"t": desk.tenant_id})

    abandoned = await sent()
    file_id = await files.complete(actor, (await sent()).id, SHA256)
    assert await sweep() == 0
    await later("update app.uploads set expires_at = now() - interval '25 hours' where tenant_id = :t")
    assert await sweep() == 2
    assert await blobs.size(staging_key(desk.tenant_id, abandoned.id)) is None
    assert await blobs.size(blob_key(desk.tenant_id, SHA256)) == len(TEXT)
    async with units(desk.tenant_id) as uow:
        await delete_file(uow, actor, file_id)
    assert await sweep() == 0
    await later("update app.blobs set touched_at = now() - interval '61 minutes' where tenant_id = :t")
    assert await sweep() == 1
    assert await blobs.size(blob_key(desk.tenant_id, SHA256)) is None
    assert await sweep() == 0
    assert list((tmp_path / "scratch").iterdir()) == []
