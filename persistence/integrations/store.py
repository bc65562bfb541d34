"""The integrations room of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import ApiTokenId, ClientAppId, DocumentId, TenantId, new_id
from domain.integrations import ClientApp, Measured, TrustedDocument
from persistence.accounts.tables import api_tokens
from persistence.integrations.tables import client_apps, trusted_documents


class SqlIntegrations:
    """Implements `domain.integrations.IntegrationStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add_client_app(self, app: ClientApp) -> None:
        self._session.add(app)
        await self._session.flush()

    async def client_app(self, app_id: ClientAppId) -> ClientApp | None:
        found = await self._session.get(ClientApp, (self._tenant_id, app_id), with_for_update=True)
        return found if found is not None and found.deleted_at is None else None

    async def count_client_apps(self) -> int:
        live = select(func.count()).where(
            client_apps.c.tenant_id == self._tenant_id, client_apps.c.deleted_at.is_(None)
        )
        return await self._session.scalar(live) or 0

    async def revoke_tokens_of(self, app_id: ClientAppId, now: datetime) -> list[ApiTokenId]:
        token = api_tokens.c
        statement = (
            update(api_tokens)
            .where(token.tenant_id == self._tenant_id, token.client_app_id == app_id, token.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(token.id)
        )
        return list(await self._session.scalars(statement))

    async def live_hashes(self, app_id: ClientAppId) -> set[str]:
        document = trusted_documents.c
        statement = select(document.hash).where(
            document.tenant_id == self._tenant_id, document.client_app_id == app_id, document.retired_at.is_(None)
        )
        return set(await self._session.scalars(statement))

    async def put_documents(self, app_id: ClientAppId, documents: Sequence[Measured]) -> None:
        if not documents:
            return
        own = {"tenant_id": self._tenant_id, "client_app_id": app_id}
        rows = [{**own, "id": new_id(), **document_values(one)} for one in documents]
        statement = insert(trusted_documents).values(rows)
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "client_app_id", "hash"], set_=renewed(statement.excluded)
            )
        )

    async def document(self, document_id: DocumentId) -> TrustedDocument | None:
        return await self._session.get(TrustedDocument, (self._tenant_id, document_id), with_for_update=True)


def document_values(document: Measured) -> dict[str, Any]:
    return {
        "hash": document.hash, "text": document.text, "name": document.name, "cost": document.cost,
        "scopes": list(document.scopes), "fields": list(document.fields), "fingerprint": document.fingerprint,
    }  # fmt: skip


def renewed(values: Any) -> dict[str, Any]:
    """What a document that is there already takes from its new measurement; a retired one comes back."""
    return {
        **{name: values[name] for name in ("name", "cost", "scopes", "fields", "fingerprint")},
        "retired_at": None,
    }
