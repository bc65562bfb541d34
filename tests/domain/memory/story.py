"""The story room, in memory."""

from __future__ import annotations

from domain.ids import EntryId, ProjectId, RelationId
from domain.story import CodexEntry, CodexRelation


class MemoryStory:
    """Implements `domain.story.StoryStore`."""

    def __init__(self) -> None:
        self.rows: dict[EntryId, CodexEntry] = {}
        self.relations: dict[RelationId, CodexRelation] = {}

    async def entry(self, entry_id: EntryId) -> CodexEntry | None:
        found = self.rows.get(entry_id)
        return found if found is not None and found.deleted_at is None else None

    async def entries(self, project_id: ProjectId) -> list[CodexEntry]:
        live = [row for row in self.rows.values() if row.project_id == project_id and row.deleted_at is None]
        return sorted(live, key=lambda row: (row.name, row.id))

    async def count_entries(self, project_id: ProjectId) -> int:
        return sum(1 for row in self.rows.values() if row.project_id == project_id and row.deleted_at is None)

    async def relation(self, relation_id: RelationId) -> CodexRelation | None:
        return self.relations.get(relation_id)

    async def relation_exists(self, from_id: EntryId, to_id: EntryId, kind: str) -> bool:
        return any((one.from_id, one.to_id, one.kind) == (from_id, to_id, kind) for one in self.relations.values())

    async def delete_relations_of(self, entry_id: EntryId) -> None:
        for one in list(self.relations.values()):
            if entry_id in (one.from_id, one.to_id):
                del self.relations[one.id]

    async def delete_relation(self, relation: CodexRelation) -> None:
        del self.relations[relation.id]

    async def add(self, row: CodexEntry | CodexRelation) -> None:
        if isinstance(row, CodexEntry):
            self.rows[row.id] = row
        else:
            self.relations[row.id] = row
