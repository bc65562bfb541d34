"""Root fields of the assistants room: making assistants, and the market of published ones."""

from typing import Annotated, Any

import strawberry

from domain.assistants import market, service
from domain.assistants.drafts import AssistantDraft, VersionDraft, clean_tags
from domain.assistants.entities import Category
from domain.assistants.stripping import Stripped
from domain.errors import NotFound
from domain.ids import AssistantId
from domain.text import clean_filter
from persistence.assistants import reads
from persistence.paging import check_first
from resolvers.mutations import refusals_as
from resolvers.operations import audited
from resolvers.projects import fresh
from schema.assistants import inputs, types
from schema.assistants.inputs import AssistantOrder, AssistantScope
from schema.base import Connection
from schema.batched import After, Call, First, columns_of
from schema.context import Info
from schema.cost import Cost
from schema.ids import decode_id

_FILTERS = {
    AssistantScope.MINE: "mine",
    AssistantScope.TENANT: "tenants",
    AssistantScope.MARKET: "market",
    AssistantScope.INSTALLED: "installed",
    AssistantScope.FAVOURITES: "favourites",
}


def _id(value: strawberry.ID, field: str = "assistantId") -> AssistantId:
    return AssistantId(decode_id("Assistant", value, field))


def _assistants(
    search: str | None = None, tags: list[str] | None = None, filter: inputs.AssistantFilter | None = None,
    order_by: AssistantOrder | None = None,
) -> Call:  # fmt: skip
    wanted, sought = filter or inputs.AssistantFilter(), clean_filter(search, "search")
    order = order_by or (AssistantOrder.RELEVANCE if sought else AssistantOrder.NEWEST)
    if order is AssistantOrder.RELEVANCE and not sought:
        order = AssistantOrder.POPULAR
    given: dict[str, Any] = {"search": sought or None, "category": wanted.category}
    given["tags"] = clean_tags(tags) if tags else None
    if wanted.scope in _FILTERS:
        given[_FILTERS[wanted.scope]] = True
    return Call(reads.assistant_listing(order), given)


@strawberry.type
class AssistantQueries:
    @strawberry.field(
        description="The assistants that you see: the tenant's and the published ones of everybody. The best match "
        "comes first, or without a search the newest, unless ordered otherwise.",
        directives=[Cost(weight=10)],
    )
    async def assistants(
        self, info: Info,
        search: Annotated[
            str | None, strawberry.argument(description="Words in name, description and tags, Chinese or English.")
        ] = None,
        tags: Annotated[list[str] | None, strawberry.argument(description="Only with all of these tags.")] = None,
        filter: Annotated[inputs.AssistantFilter | None, strawberry.argument(description="Which ones.")] = None,
        order_by: Annotated[AssistantOrder | None, strawberry.argument(description="How to sort.")] = None,
        first: First = 20, after: After = None,
    ) -> Connection[types.Assistant]:  # fmt: skip
        columns = columns_of(info, "Assistant", "edges", "node")
        call = _assistants(search, tags, filter, order_by)
        return await info.context.reader().listed(call, first, after, columns)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(
        description="Every category, with how many published assistants it has.", directives=[Cost(weight=50)]
    )
    async def assistant_categories(self, info: Info) -> list[types.AssistantCategoryCount]:
        rows = await info.context.reader().shaped(reads.CATEGORIES)  # type: ignore[attr-defined]
        counts = {row["category"]: row["count"] for row in rows}
        return [types.AssistantCategoryCount(category=one, count=counts.get(one, 0)) for one in Category]

    @strawberry.field(
        description="The tags of published assistants, the most used first.", directives=[Cost(weight=50)]
    )
    async def assistant_tags(self, info: Info, first: First = 20) -> list[types.AssistantTagCount]:
        rows = await info.context.reader().shaped(reads.TAGS, first=check_first(first))  # type: ignore[attr-defined]
        return [types.AssistantTagCount(tag=row["tag"], count=row["count"]) for row in rows]

    @strawberry.field(description="What publishing one of your assistants would show, and what it would leave out.")
    async def assistant_publish_preview(
        self, info: Info, input: inputs.AssistantPublishPreviewInput
    ) -> types.AssistantPublishPreview | None:
        info.context.reader()
        actor, assistant_id = info.context.actor, _id(input.assistant_id)
        async with info.context.services.units(actor.tenant_id) as uow:
            try:
                copy = await service.preview(uow.assistants, actor, assistant_id)
            except NotFound:
                return None
        return types.AssistantPublishPreview(
            name=copy.name, description=copy.description, tags=copy.tags, prompt=copy.version.prompt,
            stripped=_stripped(copy.stripped),
        )  # fmt: skip


def _stripped(found: list[Stripped]) -> list[types.AssistantStripped]:
    return [types.AssistantStripped(path=one.path, reason=one.reason) for one in found]


@strawberry.type
class AssistantMutations:
    @strawberry.mutation(description="Make an assistant.")
    @refusals_as(inputs.AssistantCreatePayload)
    async def assistant_create(self, info: Info, input: inputs.AssistantCreateInput) -> inputs.AssistantCreatePayload:
        actor = info.context.actor
        draft = AssistantDraft(input.name, input.description, input.category, input.tags)
        async with info.context.services.units(actor.tenant_id) as uow:
            made = await service.create_assistant(uow.assistants, actor, draft)
        return inputs.AssistantCreatePayload(assistant=await fresh(info, "Assistant", made.id))

    @strawberry.mutation(
        description="Change an assistant's name, description, category or tags. What is published stays as it was "
        "until it is published again."
    )
    @refusals_as(inputs.AssistantUpdatePayload)
    async def assistant_update(self, info: Info, input: inputs.AssistantUpdateInput) -> inputs.AssistantUpdatePayload:
        actor, assistant_id = info.context.actor, _id(input.id, "id")
        draft = AssistantDraft(input.name, input.description, input.category, input.tags)
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.update_assistant(uow.assistants, actor, assistant_id, draft, uow.now)
        return inputs.AssistantUpdatePayload(assistant=await fresh(info, "Assistant", assistant_id))

    @strawberry.mutation(description="Delete an assistant, for everybody.")
    @refusals_as(inputs.AssistantDeletePayload)
    async def assistant_delete(self, info: Info, input: inputs.AssistantDeleteInput) -> inputs.AssistantDeletePayload:
        actor, assistant_id = info.context.actor, _id(input.id, "id")
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.delete(uow, actor, assistant_id)
            await audited(info, uow, "assistant.delete", ("Assistant", assistant_id))
        return inputs.AssistantDeletePayload(deleted_id=input.id)

    @strawberry.mutation(description="Give an assistant a new version, which becomes its current one.")
    @refusals_as(inputs.AssistantVersionCreatePayload)
    async def assistant_version_create(
        self, info: Info, input: inputs.AssistantVersionCreateInput
    ) -> inputs.AssistantVersionCreatePayload:
        actor, assistant_id, draft = info.context.actor, _id(input.assistant_id), _version(input)
        async with info.context.services.units(actor.tenant_id) as uow:
            made = await service.create_version(uow.assistants, actor, assistant_id, draft, uow.now)
        return inputs.AssistantVersionCreatePayload(
            version=await fresh(info, "AssistantVersion", made.id),
            assistant=await info.context.reads.one("Assistant", assistant_id),
        )

    @strawberry.mutation(
        description="Show an assistant's current version to the tenant, or a copy of it to everybody. The copy is made "
        "without secrets and knowledge bases."
    )
    @refusals_as(inputs.AssistantPublishPayload)
    async def assistant_publish(
        self, info: Info, input: inputs.AssistantPublishInput
    ) -> inputs.AssistantPublishPayload:
        actor, assistant_id = info.context.actor, _id(input.assistant_id)
        wish = service.Wish(input.visibility, AssistantDraft(category=input.category, tags=input.tags))
        async with info.context.services.units(actor.tenant_id) as uow:
            stripped = await service.publish(uow, actor, assistant_id, wish)
            decided = {"visibility": input.visibility, "stripped": len(stripped)}
            await audited(info, uow, "assistant.publish", ("Assistant", assistant_id), decided)
        assistant = await fresh(info, "Assistant", assistant_id)
        return inputs.AssistantPublishPayload(assistant=assistant, stripped=_stripped(stripped))

    @strawberry.mutation(description="Show an assistant to its owner alone. Who has installed it loses it.")
    @refusals_as(inputs.AssistantUnpublishPayload)
    async def assistant_unpublish(
        self, info: Info, input: inputs.AssistantUnpublishInput
    ) -> inputs.AssistantUnpublishPayload:
        actor, assistant_id = info.context.actor, _id(input.assistant_id)
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.unpublish(uow, actor, assistant_id)
            await audited(info, uow, "assistant.unpublish", ("Assistant", assistant_id))
        return inputs.AssistantUnpublishPayload(assistant=await fresh(info, "Assistant", assistant_id))


def _version(input: inputs.AssistantVersionCreateInput) -> VersionDraft:
    wanted = input.model_preferences or inputs.AssistantModelPreferencesInput()
    return VersionDraft(
        input.prompt, input.greeting, input.opening_messages, [(one.user, one.assistant) for one in input.examples],
        wanted.model, wanted.temperature, wanted.max_output_tokens,
        [(one.name, one.description) for one in input.tools],
        [str(decode_id("KnowledgeBase", one, "knowledgeBaseIds")) for one in input.knowledge_base_ids],
        input.changelog,
    )  # fmt: skip


@strawberry.type
class MarketMutations:
    @strawberry.mutation(description="Like an assistant or keep it among your favourites, or take that back.")
    @refusals_as(inputs.AssistantReactPayload)
    async def assistant_react(self, info: Info, input: inputs.AssistantReactInput) -> inputs.AssistantReactPayload:
        actor, assistant_id = info.context.actor, _id(input.assistant_id)
        async with info.context.services.units(actor.tenant_id) as uow:
            await market.react(uow.assistants, actor, assistant_id, input.kind, on=input.on)
        return inputs.AssistantReactPayload(assistant=await fresh(info, "Assistant", assistant_id))

    @strawberry.mutation(description="Rate an assistant, in place of the rating that you gave before.")
    @refusals_as(inputs.AssistantRatePayload)
    async def assistant_rate(self, info: Info, input: inputs.AssistantRateInput) -> inputs.AssistantRatePayload:
        actor, assistant_id = info.context.actor, _id(input.assistant_id)
        async with info.context.services.units(actor.tenant_id) as uow:
            await market.rate(uow.assistants, actor, assistant_id, input.rating, input.words)
        return inputs.AssistantRatePayload(assistant=await fresh(info, "Assistant", assistant_id))

    @strawberry.mutation(
        description="Put a published assistant among your own, in the version that is published now. It stays on that "
        "version until you install it again."
    )
    @refusals_as(inputs.AssistantInstallPayload)
    async def assistant_install(
        self, info: Info, input: inputs.AssistantInstallInput
    ) -> inputs.AssistantInstallPayload:
        actor, assistant_id = info.context.actor, _id(input.assistant_id)
        async with info.context.services.units(actor.tenant_id) as uow:
            await market.install(uow, actor, assistant_id)
        return inputs.AssistantInstallPayload(assistant=await fresh(info, "Assistant", assistant_id))

    @strawberry.mutation(description="Be rid of an installed assistant.")
    @refusals_as(inputs.AssistantUninstallPayload)
    async def assistant_uninstall(
        self, info: Info, input: inputs.AssistantUninstallInput
    ) -> inputs.AssistantUninstallPayload:
        actor, assistant_id = info.context.actor, _id(input.assistant_id)
        async with info.context.services.units(actor.tenant_id) as uow:
            await market.uninstall(uow.assistants, actor, assistant_id)
        return inputs.AssistantUninstallPayload(assistant=await fresh(info, "Assistant", assistant_id))

    @strawberry.mutation(description="Tell the platform that a published assistant should be looked at.")
    @refusals_as(inputs.AssistantReportPayload)
    async def assistant_report(self, info: Info, input: inputs.AssistantReportInput) -> inputs.AssistantReportPayload:
        actor, assistant_id = info.context.actor, _id(input.assistant_id)
        async with info.context.services.units(actor.tenant_id) as uow:
            await market.report(uow.assistants, actor, assistant_id, input.reason, input.words)
        return inputs.AssistantReportPayload(reported_id=input.assistant_id)
