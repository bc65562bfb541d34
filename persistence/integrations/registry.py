"""The registries as the migrator sees them: the platform's own documents, and those of every tenant in turn.

Tenants are listed by the role that may, and entered by the owner, who is held by row security like anybody: a migrator
without a superuser's rights can do all of this. The application's role can enter a tenant that it knows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from domain.ids import ClientAppId, TenantId
from domain.integrations import FIRST_PARTY, Measured
from persistence.accounts.tables import tenants
from persistence.database import SET_TENANT
from persistence.integrations.store import SqlIntegrations, document_values, renewed
from persistence.integrations.tables import client_apps, platform_documents, trusted_documents

FIRST_PARTY_NAME = "first-party"


@dataclass(frozen=True, slots=True)
class Entry:
    """A live document as a registry has it. `bundled` came with the product's own manifest."""

    tenant_id: TenantId | None
    app_id: ClientAppId
    app: str
    hash: str
    name: str
    text: str
    bundled: bool = False


async def tenant_ids(engine: AsyncEngine) -> Sequence[UUID]:
    async with engine.begin() as connection:
        await connection.execute(text("set local role fabula_members"))
        return (await connection.scalars(select(tenants.c.tenant_id).order_by(tenants.c.tenant_id))).all()


@asynccontextmanager
async def _inside(engine: AsyncEngine, tenant_id: UUID) -> AsyncIterator[AsyncConnection]:
    async with engine.begin() as connection:
        if await connection.scalar(text("select pg_has_role('fabula_owner', 'member')")):
            await connection.execute(text("set local role fabula_owner"))
        await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
        yield connection


async def outdated(engine: AsyncEngine, fingerprint: str) -> AsyncIterator[Entry]:
    """Every live document that was last measured against another schema."""
    shared = platform_documents.c
    async with engine.connect() as connection:
        rows = (
            await connection.execute(
                select(shared.hash, shared.name, shared.text, shared.bundled).where(
                    shared.fingerprint != fingerprint, shared.retired_at.is_(None)
                )
            )
        ).all()
    for row in rows:
        yield Entry(None, FIRST_PARTY, FIRST_PARTY_NAME, row.hash, row.name, row.text, row.bundled)
    for tenant_id in await tenant_ids(engine):
        for entry in await _outdated_in(engine, TenantId(tenant_id), fingerprint):
            yield entry


async def _outdated_in(engine: AsyncEngine, tenant_id: TenantId, fingerprint: str) -> list[Entry]:
    document, app = trusted_documents.c, client_apps.c
    statement = (
        select(document.client_app_id, app.name.label("app"), document.hash, document.name, document.text)
        .join(client_apps, (app.tenant_id == document.tenant_id) & (app.id == document.client_app_id))
        .where(
            document.tenant_id == tenant_id, document.fingerprint != fingerprint, document.retired_at.is_(None),
            app.deleted_at.is_(None),
        )
    )  # fmt: skip
    async with _inside(engine, tenant_id) as connection:
        rows = (await connection.execute(statement)).all()
    return [Entry(tenant_id, row.client_app_id, row.app, row.hash, row.name, row.text) for row in rows]


async def measured_bundle(engine: AsyncEngine, fingerprint: str) -> frozenset[str]:
    """The hashes of the product's own manifest that are live and were measured against this schema."""
    shared = platform_documents.c
    live = select(shared.hash).where(shared.fingerprint == fingerprint, shared.bundled, shared.retired_at.is_(None))
    async with engine.connect() as connection:
        return frozenset(await connection.scalars(live))


async def renew(engine: AsyncEngine, entry: Entry, measured: Measured) -> None:
    """Keep what was measured against today's schema."""
    values = renewed(document_values(measured))
    if entry.tenant_id is None:
        async with engine.begin() as connection:
            await connection.execute(
                update(platform_documents).where(platform_documents.c.hash == entry.hash).values(values)
            )
        return
    document = trusted_documents.c
    own = (
        document.tenant_id == entry.tenant_id, document.client_app_id == entry.app_id, document.hash == entry.hash,
    )  # fmt: skip
    async with _inside(engine, entry.tenant_id) as connection:
        await connection.execute(update(trusted_documents).where(*own).values(values))


async def put_first_party(engine: AsyncEngine, documents: Sequence[Measured], *, bundled: bool) -> None:
    """Add documents to the platform's registry, or renew and bring back those that are there."""
    async with engine.begin() as connection:
        for one in documents:
            values = document_values(one) | {"bundled": bundled}
            statement = insert(platform_documents).values(values)
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["hash"], set_=renewed(values) | {"bundled": bundled})
            )


async def retire_first_party(engine: AsyncEngine, hash_: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            update(platform_documents).where(platform_documents.c.hash == hash_).values(retired_at=func.now())
        )


async def tenant_of(engine: AsyncEngine, app_id: ClientAppId) -> TenantId | None:
    """Whose client application it is; None when there is none of this id."""
    async with engine.connect() as connection:
        found = await connection.scalar(text("select app.tenant_of_client_app(:id)"), {"id": app_id})
    return TenantId(found) if found is not None else None


@asynccontextmanager
async def store_of(engine: AsyncEngine, tenant_id: TenantId) -> AsyncIterator[SqlIntegrations]:
    """The integrations room of one tenant, for an operator. Committed at its end."""
    async with _inside(engine, tenant_id) as connection, AsyncSession(connection) as session:
        yield SqlIntegrations(session, tenant_id)
        await session.flush()
