"""Files in PostgreSQL: counts of blobs hold whoever comes at once, and nobody sweeps what another needs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.files.entities import File, FilePurpose, Upload, UploadState
from domain.ids import FileId, TenantId, UploadId, UserId, new_id
from persistence.accounts.tables import tenants
from persistence.database import Database
from persistence.unit_of_work import Units

SHA256 = bytes(range(32))
ANNA = UserId(new_id())


@pytest.fixture
async def tenant(units: Units) -> TenantId:
    tenant_id = TenantId(new_id())
    async with units(tenant_id) as uow:
        await uow.accounts._session.execute(tenants.insert().values(tenant_id=tenant_id, slug=str(tenant_id), name="t"))
    return tenant_id


def a_file(tenant: TenantId) -> File:
    return File(tenant, FileId(new_id()), "a.txt", "text/plain", 5, SHA256, FilePurpose.KNOWLEDGE, ANNA)


async def kept(units: Units, tenant: TenantId) -> File:
    file = a_file(tenant)
    async with units(tenant) as uow:
        await uow.files.announce(SHA256, 5)
    async with units(tenant) as uow:
        await uow.files.hold(SHA256)
        await uow.files.add(file)
    return file


async def gone(units: Units, file: File) -> None:
    async with units(file.tenant_id) as uow:
        found = await uow.files.file(file.id, lock=True)
        assert found is not None
        found.deleted_at = uow.now
        await uow.files.release(SHA256)


async def refs(database: Database, tenant: TenantId) -> int | None:
    rows = await database.rows(tenant, text(f"select refs from app.blobs where tenant_id = '{tenant}'"))
    return rows[0].refs if rows else None


async def begun(units: Units, tenant: TenantId, expires_in: timedelta) -> Upload:
    async with units(tenant) as uow:
        upload = Upload(
            tenant, UploadId(new_id()), ANNA, FilePurpose.KNOWLEDGE, "a.txt", 5, uow.now + expires_in
        )  # fmt: skip
        await uow.files.add(upload)
    return upload


async def test_files_that_come_and_go_at_once_are_counted(units: Units, database: Database, tenant: TenantId) -> None:
    files = await asyncio.gather(*(kept(units, tenant) for _ in range(12)))
    assert await refs(database, tenant) == 12
    await asyncio.gather(*(gone(units, one) for one in files[:7]), *(kept(units, tenant) for _ in range(4)))
    live = await database.rows(
        tenant, text(f"select count(*) as n from app.files where held is not null and tenant_id = '{tenant}'")
    )
    assert await refs(database, tenant) == live[0].n == 9


async def test_a_blob_that_a_file_holds_cannot_go(units: Units, tenant: TenantId) -> None:
    file = await kept(units, tenant)
    with pytest.raises(DBAPIError, match="files_tenant_id_held_fkey"):
        async with units(tenant) as uow:
            await uow.files.forget_blob(SHA256)
    await gone(units, file)
    async with units(tenant) as uow:
        await uow.files.forget_blob(SHA256)


async def test_a_file_needs_its_blob_and_a_count_is_never_below_nothing(units: Units, tenant: TenantId) -> None:
    with pytest.raises(DBAPIError, match="files_tenant_id_held_fkey"):
        async with units(tenant) as uow:
            await uow.files.add(a_file(tenant))
    async with units(tenant) as uow:
        await uow.files.announce(SHA256, 5)
    with pytest.raises(DBAPIError, match="blobs_refs_check"):
        async with units(tenant) as uow:
            await uow.files.release(SHA256)


async def test_one_tenants_blob_is_no_others(units: Units, database: Database, tenant: TenantId) -> None:
    await kept(units, tenant)
    other = TenantId(new_id())
    async with units(other) as uow:
        await uow.accounts._session.execute(tenants.insert().values(tenant_id=other, slug=str(other), name="o"))
    assert await refs(database, other) is None
    await kept(units, other)
    assert (await refs(database, tenant), await refs(database, other)) == (1, 1)


async def test_who_announces_while_an_orphan_is_swept_waits_and_finds_it_gone(
    units: Units, database: Database, tenant: TenantId
) -> None:
    await gone(units, await kept(units, tenant))
    deleted, announced = asyncio.Event(), asyncio.Event()

    async def sweep() -> None:
        async with units(tenant) as uow:
            assert await uow.files.orphans(uow.now + timedelta(seconds=1), 5) == [SHA256]
            deleted.set()
            await asyncio.sleep(0.2)
            assert not announced.is_set()
            await uow.files.forget_blob(SHA256)

    async def announce() -> None:
        await deleted.wait()
        async with units(tenant) as uow:
            await uow.files.announce(SHA256, 5)
            announced.set()

    await asyncio.gather(sweep(), announce())
    assert await refs(database, tenant) == 0  # a new row: whoever announced it looks for the bytes, and writes them


async def test_who_sweeps_leaves_what_is_announced_meanwhile(units: Units, tenant: TenantId) -> None:
    await gone(units, await kept(units, tenant))
    async with units(tenant) as uow:
        long_after = uow.now
    async with units(tenant) as announcing:
        await announcing.files.announce(SHA256, 5)
        async with units(tenant) as sweeping:  # it is locked, so it is passed over
            assert await sweeping.files.orphans(long_after, 5) == []
    async with units(tenant) as uow:
        assert await uow.files.orphans(long_after, 5) == []  # and now it was touched
        assert await uow.files.orphans(uow.now + timedelta(seconds=1), 5) == [SHA256]


async def test_what_is_kept_once_and_what_is_still_to_come_is_stored(units: Units, tenant: TenantId) -> None:
    for _ in range(2):
        await kept(units, tenant)
    await begun(units, tenant, timedelta(minutes=-1))
    async with units(tenant) as uow:
        assert await uow.files.stored_bytes() == 5 + 5
    async with units(TenantId(new_id())) as uow:
        assert await uow.files.stored_bytes() == 0


async def test_uploads_are_swept_oldest_first_by_one_at_a_time(units: Units, tenant: TenantId) -> None:
    late, early = [await begun(units, tenant, timedelta(minutes=minutes)) for minutes in (-1, -5)]
    coming = await begun(units, tenant, timedelta(minutes=5))
    async with units(tenant) as uow:
        assert [one.id for one in await uow.files.expired(uow.now, 5)] == [early.id, late.id]
        async with units(tenant) as other:
            assert await other.files.expired(other.now, 5) == []
            assert await other.files.count_open(ANNA) == 1
    async with units(tenant) as uow:
        for one in await uow.files.expired(uow.now, 1):
            await uow.files.forget_upload(one)
    async with units(tenant) as uow:
        assert [await uow.files.upload(one.id) is None for one in (early, late, coming)] == [True, False, False]


async def test_users_who_begin_at_once_are_counted_one_after_the_other(units: Units, tenant: TenantId) -> None:
    async def begin(at_most: int) -> None:
        async with units(tenant) as uow:
            if await uow.files.count_open(ANNA) < at_most:
                await uow.files.add(
                    Upload(tenant, UploadId(new_id()), ANNA, FilePurpose.AVATAR, "a", 5, uow.now + timedelta(hours=1))
                )

    await asyncio.gather(*(begin(3) for _ in range(10)))
    async with units(tenant) as uow:
        assert await uow.files.count_open(ANNA) == 3


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'COMPLETED'", "uploads_completed_check"),
        ("state = 'LOST'", "uploads_state_check"),
        ("purpose = 'MUSIC'", "uploads_purpose_check"),
        ("size = 0", "uploads_size_check"),
        (f"file_id = '{new_id()}', sha256 = 'x', state = 'COMPLETED'", "uploads_tenant_id_file_id_fkey"),
    ],
)
async def test_the_database_refuses_an_upload_that_cannot_be(
    units: Units, database: Database, tenant: TenantId, change: str, constraint: str
) -> None:
    upload = await begun(units, tenant, timedelta(hours=1))
    assert upload.state == UploadState.PENDING
    with pytest.raises(DBAPIError, match=constraint):
        await database.change(tenant, text(f"update app.uploads set {change} where id = '{upload.id}'"))
