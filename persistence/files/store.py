"""Files, uploads and blobs in PostgreSQL. Counts of blobs change in one statement each."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, Text, Uuid, bindparam, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.files.entities import File, Upload, UploadState
from domain.ids import FileId, TenantId, UploadId, UserId
from persistence.files.tables import blobs, files, uploads

_TENANT, _SHA256 = bindparam("tenant", type_=Uuid), bindparam("sha256", type_=LargeBinary)
_ANNOUNCE = text("""
    insert into app.blobs (tenant_id, sha256, size) values (:tenant, :sha256, :size)
    on conflict (tenant_id, sha256) do update set touched_at = now()
""").bindparams(_TENANT, _SHA256)
_HOLD = text("""
    update app.blobs set refs = refs + 1, touched_at = now() where tenant_id = :tenant and sha256 = :sha256
""").bindparams(_TENANT, _SHA256)
_RELEASE = text("""
    update app.blobs set refs = refs - 1, touched_at = now() where tenant_id = :tenant and sha256 = :sha256
""").bindparams(_TENANT, _SHA256)
_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))").bindparams(
    bindparam("name", type_=Text)
)


class SqlFiles:
    """Implements `domain.files.store.FileStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add(self, row: File | Upload) -> None:
        self._session.add(row)
        await self._session.flush()

    async def file(self, file_id: FileId, *, lock: bool = False) -> File | None:
        mine = files.c.tenant_id == self._tenant_id, files.c.id == file_id, files.c.deleted_at.is_(None)
        statement = select(File).where(*mine).execution_options(populate_existing=True)
        found: File | None = await self._session.scalar(statement.with_for_update() if lock else statement)
        return found

    async def upload(self, upload_id: UploadId, *, lock: bool = False) -> Upload | None:
        mine = uploads.c.tenant_id == self._tenant_id, uploads.c.id == upload_id
        statement = select(Upload).where(*mine).execution_options(populate_existing=True)
        found: Upload | None = await self._session.scalar(statement.with_for_update() if lock else statement)
        return found

    async def count_open(self, owner_id: UserId) -> int:
        await self._session.execute(_ONE_AT_A_TIME, {"name": f"uploads:{self._tenant_id}:{owner_id}"})
        open_ = (
            uploads.c.tenant_id == self._tenant_id, uploads.c.owner_id == owner_id,
            uploads.c.state == UploadState.PENDING, uploads.c.expires_at > func.now(),
        )  # fmt: skip
        return await self._session.scalar(select(func.count()).select_from(uploads).where(*open_)) or 0

    async def stored_bytes(self) -> int:
        await self._session.execute(_ONE_AT_A_TIME, {"name": f"uploads:{self._tenant_id}"})
        kept = select(func.coalesce(func.sum(blobs.c.size), 0)).where(blobs.c.tenant_id == self._tenant_id)
        pending = uploads.c.tenant_id == self._tenant_id, uploads.c.state == UploadState.PENDING
        coming = select(func.coalesce(func.sum(uploads.c.size), 0)).where(*pending)
        return int(await self._session.scalar(select(kept.scalar_subquery() + coming.scalar_subquery())) or 0)

    async def announce(self, sha256: bytes, size: int) -> None:
        await self._session.execute(_ANNOUNCE, {"tenant": self._tenant_id, "sha256": sha256, "size": size})

    async def hold(self, sha256: bytes) -> None:
        await self._session.execute(_HOLD, {"tenant": self._tenant_id, "sha256": sha256})

    async def release(self, sha256: bytes) -> None:
        await self._session.flush()
        await self._session.execute(_RELEASE, {"tenant": self._tenant_id, "sha256": sha256})

    async def expired(self, before: datetime, first: int) -> list[Upload]:
        statement = (
            select(Upload)
            .where(uploads.c.tenant_id == self._tenant_id, uploads.c.expires_at < before)
            .order_by(uploads.c.expires_at)
            .limit(first)
            .with_for_update(skip_locked=True)
        )
        return list(await self._session.scalars(statement))

    async def forget_upload(self, upload: Upload) -> None:
        await self._session.delete(upload)

    async def orphans(self, before: datetime, first: int) -> list[bytes]:
        statement = (
            select(blobs.c.sha256)
            .where(blobs.c.tenant_id == self._tenant_id, blobs.c.refs == 0, blobs.c.touched_at < before)
            .order_by(blobs.c.touched_at)
            .limit(first)
            .with_for_update(skip_locked=True)
        )
        return list(await self._session.scalars(statement))

    async def forget_blob(self, sha256: bytes) -> None:
        mine = blobs.c.tenant_id == self._tenant_id, blobs.c.sha256 == sha256
        await self._session.execute(delete(blobs).where(*mine))
