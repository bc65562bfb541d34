"""The assistants room of a unit of work."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Uuid, bindparam, delete, func, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from domain.assistants.entities import (
    Assistant,
    AssistantInstall,
    AssistantVersion,
    Mark,
    Publication,
    ReportReason,
)
from domain.ids import AssistantId, AssistantVersionId, TenantId, UserId
from persistence.assistants.tables import (
    assistant_installs,
    assistants,
    public_assistant_versions,
    public_assistants,
)

_assistant, _install = assistants.c, assistant_installs.c
_public, _version = public_assistants.c, public_assistant_versions.c
_CONTENT = ("prompt", "greeting", "opening_messages", "examples", "model", "tools", "changelog")

_LOCK_COUNT = text("select pg_advisory_xact_lock(hashtextextended('fabula.assistants:' || :tenant, 0))")
_PUBLISH = text("select app.publish_assistant(:assistant, :version, :listing, :content)").bindparams(
    bindparam("assistant", type_=Uuid), bindparam("version", type_=Uuid), bindparam("listing", type_=JSONB),
    bindparam("content", type_=JSONB),
)  # fmt: skip


class SqlAssistants:
    """Implements `domain.assistants.store.AssistantStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add(self, assistant: Assistant) -> None:
        self._session.add(assistant)
        await self._session.flush()

    async def add_version(self, version: AssistantVersion) -> None:
        self._session.add(version)
        await self._session.flush()

    async def assistant(self, assistant_id: AssistantId, *, lock: bool = False) -> Assistant | None:
        key = (self._tenant_id, assistant_id)
        found = await self._session.get(Assistant, key, with_for_update=lock, populate_existing=lock)
        return found if found is not None and found.deleted_at is None else None

    async def version(self, version_id: AssistantVersionId) -> AssistantVersion | None:
        return await self._session.get(AssistantVersion, (self._tenant_id, version_id))

    async def count(self) -> int:
        await self._session.flush()
        await self._session.execute(_LOCK_COUNT, {"tenant": str(self._tenant_id)})
        live = _assistant.tenant_id == self._tenant_id, _assistant.deleted_at.is_(None)
        return await self._session.scalar(select(func.count()).where(*live)) or 0

    async def publish(self, publication: Publication, version: AssistantVersion) -> None:
        await self._session.flush()
        listing = asdict(publication)
        given = {
            "assistant": listing.pop("assistant_id"),
            "version": listing.pop("version_id"),
            "listing": listing,
            "content": {name: getattr(version, name) for name in _CONTENT},
        }
        await self._session.execute(_PUBLISH, given)

    async def withdraw(self, assistant_id: AssistantId) -> None:
        await self._call(func.app.withdraw_assistant(assistant_id))

    async def published(self, assistant_id: AssistantId) -> AssistantVersionId | None:
        live = _public.id == assistant_id, _public.withdrawn_at.is_(None)
        found: AssistantVersionId | None = await self._session.scalar(select(_public.current_version_id).where(*live))
        return found

    async def removed(self, assistant_id: AssistantId) -> bool:
        removed = select(_public.id).where(_public.id == assistant_id, _public.removed_at.is_not(None))
        return await self._session.scalar(removed) is not None

    async def published_version(self, version_id: AssistantVersionId) -> AssistantVersion | None:
        found = await self._session.execute(
            select(public_assistant_versions)
            .join(public_assistants, _public.id == _version.assistant_id)
            .where(_version.id == version_id, _public.withdrawn_at.is_(None))
        )
        row = found.mappings().first()
        return AssistantVersion(tenant_id=self._tenant_id, **row) if row is not None else None

    async def mark(self, user_id: UserId, assistant_id: AssistantId, mark: Mark) -> None:
        await self._call(
            func.app.mark_assistant(user_id, assistant_id, mark.liked, mark.favourite, mark.stars, mark.words)
        )

    async def report(self, user_id: UserId, assistant_id: AssistantId, reason: ReportReason, words: str) -> None:
        await self._call(func.app.report_assistant(user_id, assistant_id, str(reason), words))

    async def install(self, install: AssistantInstall) -> None:
        put = postgresql.insert(assistant_installs).values(
            tenant_id=install.tenant_id, user_id=install.user_id, assistant_id=install.assistant_id,
            version_id=install.version_id, installed_at=install.installed_at, updated_at=install.updated_at,
        )  # fmt: skip
        pin = {"version_id": put.excluded.version_id, "updated_at": put.excluded.updated_at}
        await self._session.execute(put.on_conflict_do_update(index_elements=_install_key(), set_=pin))

    async def installed(self, user_id: UserId, assistant_id: AssistantId) -> AssistantVersionId | None:
        mine = _install.tenant_id == self._tenant_id, _install.user_id == user_id
        pins = select(_install.version_id).join(public_assistants, _public.id == _install.assistant_id)
        found: AssistantVersionId | None = await self._session.scalar(
            pins.where(*mine, _install.assistant_id == assistant_id, _public.withdrawn_at.is_(None))
        )
        return found

    async def uninstall(self, user_id: UserId, assistant_id: AssistantId) -> bool:
        mine = _install.tenant_id == self._tenant_id, _install.user_id == user_id
        gone = delete(assistant_installs).where(*mine, _install.assistant_id == assistant_id)
        return (await self._session.execute(gone.returning(_install.assistant_id))).first() is not None

    async def count_conversation(self, assistant_id: AssistantId) -> None:
        await self._call(func.app.count_assistant_conversation(assistant_id))

    async def _call(self, function: Any) -> None:
        await self._session.flush()
        await self._session.execute(select(function))


def _install_key() -> list[Any]:
    return [_install.tenant_id, _install.user_id, _install.assistant_id]
