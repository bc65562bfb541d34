"""The integrations room, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.ids import ApiTokenId, ClientAppId, DocumentId, TenantId, new_id
from domain.integrations import ClientApp, Measured, TrustedDocument, document_hash
from tests.domain.memory.accounts import MemoryAccounts
from tests.domain.memory.clock import NOW


class MemoryIntegrations:
    """Implements `domain.integrations.IntegrationStore` for one tenant."""

    def __init__(self, tenant_id: TenantId, accounts: MemoryAccounts) -> None:
        self._tenant_id = tenant_id
        self._accounts = accounts
        self.apps: dict[ClientAppId, ClientApp] = {}
        self.documents: dict[tuple[ClientAppId, str], TrustedDocument] = {}

    async def add_client_app(self, app: ClientApp) -> None:
        self.apps[app.id] = app

    async def client_app(self, app_id: ClientAppId) -> ClientApp | None:
        app = self.apps.get(app_id)
        return app if app is not None and app.deleted_at is None else None

    async def count_client_apps(self) -> int:
        return sum(1 for app in self.apps.values() if app.deleted_at is None)

    async def revoke_tokens_of(self, app_id: ClientAppId, now: datetime) -> list[ApiTokenId]:
        live = [
            one for one in self._accounts.api_tokens.values() if one.client_app_id == app_id and one.revoked_at is None
        ]
        for token in live:
            token.revoked_at = now
        return [token.id for token in live]

    async def live_hashes(self, app_id: ClientAppId) -> set[str]:
        return {hash_ for (of, hash_), one in self.documents.items() if of == app_id and one.retired_at is None}

    async def put_documents(self, app_id: ClientAppId, documents: Sequence[Measured]) -> None:
        for one in documents:
            if document_hash(one.text) != one.hash:
                raise ValueError("trusted_documents_is_its_hash_check")
            known = self.documents.get((app_id, one.hash))
            if known is None:
                self.documents[app_id, one.hash] = TrustedDocument(
                    self._tenant_id, DocumentId(new_id()), app_id, one.hash, one.name, one.text, one.cost,
                    list(one.scopes), list(one.fields), one.fingerprint, registered_at=NOW,
                )  # fmt: skip
            else:
                known.cost, known.fingerprint, known.retired_at = one.cost, one.fingerprint, None

    async def document(self, document_id: DocumentId) -> TrustedDocument | None:
        return next((one for one in self.documents.values() if one.id == document_id), None)
