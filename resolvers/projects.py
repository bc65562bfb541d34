"""Root fields of the projects room."""

from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import UNSET

from domain.errors import ErrorCode, Forbidden, Rejected
from domain.ids import NodeId, ProjectId, VersionId
from domain.plans.entities import PlanLimit
from domain.projects import OutlineKind, service
from domain.projects import OutlineNode as Node
from domain.text import cjk_runs, clean_filter, clean_line, excerpt
from domain.unit_of_work import UnitOfWork
from persistence.listing import contains
from persistence.projects import reads
from resolvers.mutations import refusals_as
from schema import projects as types
from schema.base import Connection, OrderDirection, mutation_error
from schema.batched import PAGED, After, Call, First, Paged, columns_of
from schema.context import Context, Info
from schema.cost import Cost
from schema.ids import decode_id, decode_optional, split_id
from schema.projects import SearchHit

DEFAULT_ORDER = types.ProjectOrder(field=types.ProjectOrderField.UPDATED_AT, direction=OrderDirection.DESC)


async def fresh(info: Info, type_name: str, value: UUID) -> Any:
    """A node as it is after a mutation."""
    info.context.reads.forget()  # type: ignore[attr-defined]
    return await info.context.reads.one(type_name, value)


async def _require_room(info: Info, uow: UnitOfWork) -> None:
    """For the project that was just added. Raises NotEntitled."""
    await info.context.services.gatekeeper.require_room(uow.plans, PlanLimit.PROJECTS, uow.projects.count)


def project_id_of(value: strawberry.ID, field: str) -> ProjectId:
    return ProjectId(decode_id("Project", value, field))


def _node_id(value: strawberry.ID, field: str) -> NodeId:
    """A node's id, given as that of an outline node or of a chapter: they are the same thing."""
    found, uuid = split_id(value, field)
    return NodeId(uuid if found == "Chapter" else decode_id("OutlineNode", value, field))


def _optional_node(value: strawberry.ID | None, field: str) -> NodeId | None:
    return _node_id(value, field) if value is not None else None


def _chapter_id(value: strawberry.ID, field: str) -> NodeId:
    return NodeId(decode_id("Chapter", value, field))


def _projects(filter: types.ProjectFilter | None = None, order_by: types.ProjectOrder | None = None) -> Call:
    wanted, order = filter or types.ProjectFilter(), order_by or DEFAULT_ORDER
    title = clean_filter(wanted.title_contains, "titleContains")
    filters = {
        "status": wanted.status,
        "language": clean_filter(wanted.language, "language"),
        "title": contains(title) if title else None,
        "deleted" if wanted.deleted else "living": True,
    }
    return Call(reads.project_listing(order.field, order.direction is OrderDirection.DESC), filters)


@strawberry.type
class ProjectQueries:
    @strawberry.field(
        description="The tenant's projects, last changed first unless ordered otherwise.",
        metadata={PAGED: Paged(_projects, "Project", None)},
    )
    async def projects(
        self, info: Info, first: First = 20, after: After = None,
        filter: Annotated[types.ProjectFilter | None, strawberry.argument(description="Which ones.")] = None,
        order_by: Annotated[types.ProjectOrder | None, strawberry.argument(description="How to sort.")] = None,
    ) -> Connection[types.Project]:  # fmt: skip
        columns = columns_of(info, "Project", "edges", "node")
        return await info.context.reader().listed(_projects(filter, order_by), first, after, columns)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(
        description="Titles and texts that match, best first. Chinese and English.", directives=[Cost(weight=20)]
    )
    async def search(
        self, info: Info,
        query: Annotated[str, strawberry.argument(description="Words, or a phrase in quotes; up to 200 characters.")],
        project_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only in this project.")] = None,
        first: First = 20, after: After = None,
    ) -> Connection[SearchHit]:  # fmt: skip
        sought = clean_line(query, "query", chars_max=reads.SEARCH_CHARS_MAX)
        within = decode_optional("Project", project_id, "projectId")
        cjk = cjk_runs(sought)
        tenant_id = info.context.actor.tenant_id
        statement, keyset = reads.search(tenant_id, sought, within, whole_passages=bool(cjk))
        found = await info.context.reader().page(statement, keyset, first, after)  # type: ignore[attr-defined]
        for edge in found.edges:
            row = edge.node
            edge.node = SearchHit(
                kind=row.kind,
                title=row.title,
                snippet=excerpt(row.snippet, cjk) if cjk else row.snippet,
                project_id=row.project_id,
                node_id=row.node_id,
            )
        return found  # type: ignore[no-any-return]


@strawberry.type
class ProjectMutations:
    @strawberry.mutation(description="Begin a novel.")
    @refusals_as(types.ProjectCreatePayload)
    async def project_create(self, info: Info, input: types.ProjectCreateInput) -> types.ProjectCreatePayload:
        draft = service.ProjectDraft(
            input.title, input.language, input.genre, input.premise, input.style_guide, input.target_words
        )
        async with info.context.services.units(info.context.actor.tenant_id) as uow:
            project = await service.create_project(uow.projects, info.context.actor, draft)
            await _require_room(info, uow)
        return types.ProjectCreatePayload(project=await fresh(info, "Project", project.id))

    @strawberry.mutation(description="Change a project's title, language, premise, style or status.")
    @refusals_as(types.ProjectUpdatePayload)
    async def project_update(self, info: Info, input: types.ProjectUpdateInput) -> types.ProjectUpdatePayload:
        draft = service.ProjectDraft(
            input.title, input.language, input.genre, input.premise, input.style_guide, input.target_words, input.status
        )
        project_id = project_id_of(input.id, "id")
        async with info.context.services.units(info.context.actor.tenant_id) as uow:
            await service.update_project(uow.projects, info.context.actor, project_id, draft, uow.now)
        return types.ProjectUpdatePayload(project=await fresh(info, "Project", project_id))

    @strawberry.mutation(description="Delete a project. `projectRestore` brings it back.")
    @refusals_as(types.ProjectDeletePayload)
    async def project_delete(self, info: Info, input: types.ProjectDeleteInput) -> types.ProjectDeletePayload:
        project_id = project_id_of(input.id, "id")
        async with info.context.services.units(info.context.actor.tenant_id) as uow:
            await service.delete_project(uow.projects, info.context.actor, project_id, uow.now)
        return types.ProjectDeletePayload(project=await fresh(info, "Project", project_id))

    @strawberry.mutation(description="Bring a deleted project back.")
    @refusals_as(types.ProjectRestorePayload)
    async def project_restore(self, info: Info, input: types.ProjectRestoreInput) -> types.ProjectRestorePayload:
        project_id = project_id_of(input.id, "id")
        async with info.context.services.units(info.context.actor.tenant_id) as uow:
            await service.restore_project(uow.projects, info.context.actor, project_id)
            await _require_room(info, uow)
        return types.ProjectRestorePayload(project=await fresh(info, "Project", project_id))


@strawberry.type
class OutlineMutations:
    @strawberry.mutation(description="Add a volume, arc, chapter or scene.")
    @refusals_as(types.OutlineNodeCreatePayload)
    async def outline_node_create(
        self, info: Info, input: types.OutlineNodeCreateInput
    ) -> types.OutlineNodeCreatePayload:
        draft = service.NodeDraft(
            project_id_of(input.project_id, "projectId"), input.kind, input.title, input.summary, "",
            _optional_node(input.parent_id, "parentId"), _optional_node(input.after_id, "afterId"),
        )  # fmt: skip
        node = await _create_node(info.context, draft)
        return types.OutlineNodeCreatePayload(outline_node=await fresh(info, "OutlineNode", node.id))

    @strawberry.mutation(description="Change a node's heading or summary.")
    @refusals_as(types.OutlineNodeUpdatePayload)
    async def outline_node_update(
        self, info: Info, input: types.OutlineNodeUpdateInput
    ) -> types.OutlineNodeUpdatePayload:
        node_id, actor = _node_id(input.id, "id"), info.context.actor
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.update_node(uow.projects, actor, node_id, uow.now, title=input.title, summary=input.summary)
        return types.OutlineNodeUpdatePayload(outline_node=await fresh(info, "OutlineNode", node_id))

    @strawberry.mutation(description="Move a node, with all that is in it.")
    @refusals_as(types.OutlineNodeMovePayload)
    async def outline_node_move(self, info: Info, input: types.OutlineNodeMoveInput) -> types.OutlineNodeMovePayload:
        node_id, actor = _node_id(input.id, "id"), info.context.actor
        parent_id, after_id = _optional_node(input.parent_id, "parentId"), _optional_node(input.after_id, "afterId")
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.move_node(uow.projects, actor, node_id, parent_id=parent_id, after_id=after_id)
        return types.OutlineNodeMovePayload(outline_node=await fresh(info, "OutlineNode", node_id))  # type: ignore[arg-type]

    @strawberry.mutation(description="Delete a node, with all that is in it.")
    @refusals_as(types.OutlineNodeDeletePayload)
    async def outline_node_delete(
        self, info: Info, input: types.OutlineNodeDeleteInput
    ) -> types.OutlineNodeDeletePayload:
        node_id, actor = _node_id(input.id, "id"), info.context.actor
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.delete_node(uow.projects, actor, node_id, uow.now)
        return types.OutlineNodeDeletePayload(deleted_id=input.id)

    @strawberry.mutation(description="Add a chapter.")
    @refusals_as(types.ChapterCreatePayload)
    async def chapter_create(self, info: Info, input: types.ChapterCreateInput) -> types.ChapterCreatePayload:
        draft = service.NodeDraft(
            project_id_of(input.project_id, "projectId"), OutlineKind.CHAPTER, input.title, "", input.plan,
            _optional_node(input.parent_id, "parentId"), _optional_node(input.after_id, "afterId"),
        )  # fmt: skip
        node = await _create_node(info.context, draft)
        return types.ChapterCreatePayload(chapter=await fresh(info, "Chapter", node.id))

    @strawberry.mutation(description="Change a chapter's heading or plan.")
    @refusals_as(types.ChapterUpdatePayload)
    async def chapter_update(self, info: Info, input: types.ChapterUpdateInput) -> types.ChapterUpdatePayload:
        node_id, actor = _chapter_id(input.id, "id"), info.context.actor
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.update_node(
                uow.projects, actor, node_id, uow.now, kind=OutlineKind.CHAPTER, title=input.title, plan=input.plan
            )
        return types.ChapterUpdatePayload(chapter=await fresh(info, "Chapter", node_id))


async def _create_node(context: Context, draft: service.NodeDraft) -> Node:
    async with context.services.units(context.actor.tenant_id) as uow:
        return await service.create_node(uow.projects, context.actor, draft)


@strawberry.type
class TextMutations:
    @strawberry.mutation(description="Save an author's own text. CONFLICT when the chapter has changed since.")
    async def chapter_text_update(
        self, info: Info, input: types.ChapterTextUpdateInput
    ) -> types.ChapterTextUpdatePayload:
        actor = info.context.actor
        payload = types.ChapterTextUpdatePayload()
        try:
            chapter_id = _chapter_id(input.chapter_id, "chapterId")
            base_id = decode_optional("TextVersion", input.base_version_id, "baseVersionId")
            async with info.context.services.units(actor.tenant_id) as uow:
                version = await service.update_text(
                    uow.projects, actor, chapter_id, text=input.text,
                    base_version_id=VersionId(base_id) if base_id else None, note=input.note, now=uow.now,
                )  # fmt: skip
            payload.version = await fresh(info, "TextVersion", version.id)
        except Forbidden:
            raise
        except Rejected as refusal:
            payload.user_errors = [mutation_error(refusal)]
            if refusal.code is not ErrorCode.CONFLICT:
                return payload
        payload.chapter = await fresh(info, "Chapter", chapter_id)
        return payload

    @strawberry.mutation(description="Make a version the chapter's text.")
    @refusals_as(types.ChapterVersionAcceptPayload)
    async def chapter_version_accept(
        self, info: Info, input: types.ChapterVersionAcceptInput
    ) -> types.ChapterVersionAcceptPayload:
        actor = info.context.actor
        version_id = VersionId(decode_id("TextVersion", input.version_id, "versionId"))
        guard: VersionId | service.AnyBase | None = service.ANY_BASE
        if input.base_version_id is not UNSET:
            base_id = decode_optional("TextVersion", input.base_version_id, "baseVersionId")
            guard = VersionId(base_id) if base_id else None
        async with info.context.services.units(actor.tenant_id) as uow:
            version = await service.accept_version(uow.projects, actor, version_id, base=guard, now=uow.now)
        return types.ChapterVersionAcceptPayload(
            version=await fresh(info, "TextVersion", version_id),
            chapter=await info.context.reads.one("Chapter", version.node_id),
        )

    @strawberry.mutation(description="Put a candidate aside. It is kept and can still be accepted.")
    @refusals_as(types.ChapterVersionRejectPayload)
    async def chapter_version_reject(
        self, info: Info, input: types.ChapterVersionRejectInput
    ) -> types.ChapterVersionRejectPayload:
        actor = info.context.actor
        version_id = VersionId(decode_id("TextVersion", input.version_id, "versionId"))
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.reject_version(uow.projects, actor, version_id)
        return types.ChapterVersionRejectPayload(version=await fresh(info, "TextVersion", version_id))
