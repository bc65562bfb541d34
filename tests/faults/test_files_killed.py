"""A process is killed while it completes an upload: whoever completes it again gets the file, once."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.file_services import blobs_of, desk_of
from app.settings import Settings
from domain.accounts import GRANTS, Actor, Role
from domain.files.blobs import blob_key, staging_key, thumbnail_key
from domain.files.entities import FilePurpose, FileRules
from domain.files.service import UploadDraft, create_upload
from domain.ids import TenantId, UserId, new_id
from persistence.accounts.tables import tenants
from persistence.database import Database
from persistence.unit_of_work import Units
from tests import file_samples as samples

TREE = Path(__file__).parents[2]
CONTENT = samples.image("PNG", (300, 200))
SHA256 = hashlib.sha256(CONTENT).digest()
COMPLETE = """
import asyncio, sys
from uuid import UUID
from app.file_services import blobs_of, desk_of
from app.settings import Settings
from domain.accounts import GRANTS, Actor, Role
from persistence.database import create_engine
from persistence.unit_of_work import Units

where, tenant, user, upload, sha256 = sys.argv[1:]
settings = Settings.read()
blobs = blobs_of(settings)

async def hang(key):
    if key.startswith(where):
        print("here", flush=True)
        await asyncio.sleep(60)

def hanging(name):
    real = getattr(blobs, name)
    async def call(key, *rest):
        await hang(key)
        return await real(key, *rest)
    setattr(blobs, name, call)

hanging("write")
hanging("delete")
units = Units(create_engine(settings.database_app_url.get_secret_value()))
actor = Actor(UUID(tenant), UUID(user), Role.OWNER, GRANTS[Role.OWNER])
asyncio.run(desk_of(settings, units, blobs).complete(actor, UUID(upload), bytes.fromhex(sha256)))
"""


async def _once() -> AsyncIterator[bytes]:
    yield CONTENT


@pytest.mark.parametrize(
    ("where", "kept_then"),
    [("blobs", {"staging"}), ("thumbnails", {"staging", "blobs"}), ("staging", {"staging", "blobs", "thumbnails"})],
)
async def test_an_upload_whose_completion_was_killed_is_completed_again(
    settings: Settings, units: Units, database: Database, tmp_path: Path, where: str, kept_then: set[str]
) -> None:
    settings = settings.model_copy(update={"data_dir": tmp_path})
    tenant, actor = await _somebody(units)
    blobs = blobs_of(settings)
    async with units(tenant) as uow:
        draft = UploadDraft("lamp.png", len(CONTENT), FilePurpose.AVATAR)
        upload = await create_upload(uow, actor, draft, FileRules())
    await blobs.write(staging_key(tenant, upload.id), _once())

    arguments = [where, str(tenant), str(actor.user_id), str(upload.id), SHA256.hex()]
    with subprocess.Popen(  # noqa: ASYNC220 - it prints soon
        [sys.executable, "-c", COMPLETE, *arguments], cwd=TREE, stdout=subprocess.PIPE,
        env={**os.environ, **settings.as_variables()},
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGKILL)
    keys = {"staging": staging_key(tenant, upload.id), "blobs": blob_key(tenant, SHA256),
            "thumbnails": thumbnail_key(tenant, SHA256)}  # fmt: skip
    assert {name for name, key in keys.items() if await blobs.size(key) is not None} == kept_then
    assert list((tmp_path / "scratch").iterdir()) == []

    desk = desk_of(settings, units, blobs)
    file_id = await desk.complete(actor, upload.id, SHA256)
    assert await desk.complete(actor, upload.id, SHA256) == file_id
    rows = await database.rows(
        tenant,
        text("select refs, (select count(*) from app.files f where f.tenant_id = b.tenant_id) as files "
             "from app.blobs b where tenant_id = :t").bindparams(t=tenant),
    )  # fmt: skip
    assert [(row.refs, row.files) for row in rows] == [(1, 1)]
    assert await blobs.read(keys["blobs"], len(CONTENT)) == CONTENT
    assert await blobs.tidy(timedelta(days=-1)) == 0


async def _somebody(units: Units) -> tuple[TenantId, Actor]:
    tenant = TenantId(new_id())
    async with units(tenant) as uow:
        await uow.accounts._session.execute(tenants.insert().values(tenant_id=tenant, slug=str(tenant), name="t"))
    return tenant, Actor(tenant, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
