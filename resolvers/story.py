"""Root fields of the story room."""

import strawberry

from domain import story as domain
from domain.ids import EntryId, RelationId
from domain.projects.service import get_project
from resolvers.mutations import refusals_as
from resolvers.projects import fresh, project_id_of
from schema import story as types
from schema.context import Info
from schema.ids import decode_id


def _entry_id(value: strawberry.ID, field: str) -> EntryId:
    return EntryId(decode_id("CodexEntry", value, field))


def _draft(input: types.CodexEntryCreateInput | types.CodexEntryUpdateInput) -> domain.EntryDraft:
    attributes = input.attributes
    return domain.EntryDraft(
        input.kind, input.name, input.summary, input.aliases,
        [{"key": one.key, "value": one.value} for one in attributes] if attributes is not None else None,
        input.inclusion,
    )  # fmt: skip


@strawberry.type
class StoryMutations:
    @strawberry.mutation(description="Add a codex entry.")
    @refusals_as(types.CodexEntryCreatePayload)
    async def codex_entry_create(self, info: Info, input: types.CodexEntryCreateInput) -> types.CodexEntryCreatePayload:
        actor = info.context.actor
        async with info.context.services.units(actor.tenant_id) as uow:
            project = await get_project(uow.projects, project_id_of(input.project_id, "projectId"), field="projectId")
            entry = await domain.create_entry(uow.story, actor, project.id, _draft(input))
        return types.CodexEntryCreatePayload(codex_entry=await fresh(info, "CodexEntry", entry.id))

    @strawberry.mutation(description="Change a codex entry.")
    @refusals_as(types.CodexEntryUpdatePayload)
    async def codex_entry_update(self, info: Info, input: types.CodexEntryUpdateInput) -> types.CodexEntryUpdatePayload:
        actor, entry_id = info.context.actor, _entry_id(input.id, "id")
        async with info.context.services.units(actor.tenant_id) as uow:
            await domain.update_entry(uow.story, actor, entry_id, _draft(input), uow.now)
        return types.CodexEntryUpdatePayload(codex_entry=await fresh(info, "CodexEntry", entry_id))

    @strawberry.mutation(description="Delete a codex entry and its relations.")
    @refusals_as(types.CodexEntryDeletePayload)
    async def codex_entry_delete(self, info: Info, input: types.CodexEntryDeleteInput) -> types.CodexEntryDeletePayload:
        actor = info.context.actor
        async with info.context.services.units(actor.tenant_id) as uow:
            await domain.delete_entry(uow.story, actor, _entry_id(input.id, "id"), uow.now)
        return types.CodexEntryDeletePayload(deleted_id=input.id)

    @strawberry.mutation(description="Relate two codex entries.")
    @refusals_as(types.CodexRelationCreatePayload)
    async def codex_relation_create(
        self, info: Info, input: types.CodexRelationCreateInput
    ) -> types.CodexRelationCreatePayload:
        actor = info.context.actor
        from_id, to_id = _entry_id(input.from_id, "fromId"), _entry_id(input.to_id, "toId")
        async with info.context.services.units(actor.tenant_id) as uow:
            relation = await domain.relate(
                uow.story, actor, from_id=from_id, to_id=to_id, kind=input.kind, note=input.note
            )
        return types.CodexRelationCreatePayload(codex_relation=await fresh(info, "CodexRelation", relation.id))

    @strawberry.mutation(description="Delete a relation.")
    @refusals_as(types.CodexRelationDeletePayload)
    async def codex_relation_delete(
        self, info: Info, input: types.CodexRelationDeleteInput
    ) -> types.CodexRelationDeletePayload:
        actor = info.context.actor
        relation_id = RelationId(decode_id("CodexRelation", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            await domain.unrelate(uow.story, actor, relation_id)
        return types.CodexRelationDeletePayload(deleted_id=input.id)
