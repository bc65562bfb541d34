"""The story room of a unit of work."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import EntryId, ProjectId, RelationId, TenantId
from domain.story import CodexEntry, CodexRelation
from persistence.story.tables import codex_entries, codex_relations


class SqlStory:
    """Implements `domain.story.StoryStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add(self, row: CodexEntry | CodexRelation) -> None:
        self._session.add(row)
        await self._session.flush()

    async def entry(self, entry_id: EntryId) -> CodexEntry | None:
        found = await self._session.get(CodexEntry, (self._tenant_id, entry_id), with_for_update=True)
        return found if found is not None and found.deleted_at is None else None

    async def entries(self, project_id: ProjectId) -> list[CodexEntry]:
        statement = select(CodexEntry).where(*self._live(project_id))
        return list(await self._session.scalars(statement.order_by(codex_entries.c.name, codex_entries.c.id)))

    async def count_entries(self, project_id: ProjectId) -> int:
        return await self._session.scalar(select(func.count()).where(*self._live(project_id))) or 0

    async def relation(self, relation_id: RelationId) -> CodexRelation | None:
        return await self._session.get(CodexRelation, (self._tenant_id, relation_id), with_for_update=True)

    async def relation_exists(self, from_id: EntryId, to_id: EntryId, kind: str) -> bool:
        relation = codex_relations.c
        statement = select(relation.id).where(
            relation.tenant_id == self._tenant_id, relation.from_id == from_id, relation.to_id == to_id,
            relation.kind == kind,
        )  # fmt: skip
        return await self._session.scalar(statement) is not None

    async def delete_relations_of(self, entry_id: EntryId) -> None:
        relation = codex_relations.c
        await self._session.execute(
            delete(codex_relations).where(
                relation.tenant_id == self._tenant_id, (relation.from_id == entry_id) | (relation.to_id == entry_id)
            )
        )

    async def delete_relation(self, relation: CodexRelation) -> None:
        await self._session.delete(relation)
        await self._session.flush()

    def _live(self, project_id: ProjectId) -> tuple[ColumnElement[bool], ...]:
        entry = codex_entries.c
        return (entry.tenant_id == self._tenant_id, entry.project_id == project_id, entry.deleted_at.is_(None))
