"""Conversations and the groups they stand in."""

import strawberry

from domain.conversations import service
from domain.conversations.policy import ContextPolicy
from domain.ids import (
    AssistantId,
    AssistantVersionId,
    ChannelId,
    ConversationId,
    GroupId,
    KnowledgeBaseId,
    MessageId,
    ProjectId,
)
from resolvers.generation import cancel_job
from resolvers.mutations import refusals_as
from resolvers.projects import fresh
from schema.context import Info
from schema.conversations import inputs as types
from schema.ids import decode_id, decode_optional


def conversation_id_of(value: strawberry.ID, field: str = "id") -> ConversationId:
    return ConversationId(decode_id("Conversation", value, field))


def _group_id(value: strawberry.ID | None, field: str) -> GroupId | None:
    found = decode_optional("ConversationGroup", value, field)
    return GroupId(found) if found else None


def _bases(values: list[strawberry.ID]) -> list[KnowledgeBaseId]:
    return [KnowledgeBaseId(decode_id("KnowledgeBase", one, "knowledgeBaseIds")) for one in values]


def _channel_id(value: strawberry.ID | None) -> ChannelId | None:
    found = decode_optional("Channel", value, "channelId")
    return ChannelId(found) if found else None


def _policy(given: types.ContextPolicyInput | None) -> ContextPolicy | None:
    if given is None:
        return None
    return ContextPolicy(given.last_messages, given.max_tokens, given.summarize, given.retrieval, given.passages)


@strawberry.type
class ConversationMutations:
    @strawberry.mutation(description="Begin a conversation.")
    @refusals_as(types.ConversationCreatePayload)
    async def conversation_create(
        self, info: Info, input: types.ConversationCreateInput
    ) -> types.ConversationCreatePayload:
        actor = info.context.actor
        project_id = decode_optional("Project", input.project_id, "projectId")
        assistant_id = decode_optional("Assistant", input.assistant_id, "assistantId")
        version_id = decode_optional("AssistantVersion", input.assistant_version_id, "assistantVersionId")
        draft = service.ConversationDraft(
            input.title, input.topic, _group_id(input.group_id, "groupId"),
            project_id=ProjectId(project_id) if project_id else None,
            knowledge_base_ids=_bases(input.knowledge_base_ids), channel_id=_channel_id(input.channel_id),
            model=input.model, pinned=input.pinned, policy=_policy(input.context_policy),
        )  # fmt: skip
        async with info.context.services.units(actor.tenant_id) as uow:
            conversation = await service.create_conversation(
                uow, actor, draft, AssistantId(assistant_id) if assistant_id else None,
                AssistantVersionId(version_id) if version_id else None,
            )  # fmt: skip
        return types.ConversationCreatePayload(conversation=await fresh(info, "Conversation", conversation.id))

    @strawberry.mutation(description="Change a conversation: its title, group, bases, channel, policy.")
    @refusals_as(types.ConversationUpdatePayload)
    async def conversation_update(
        self, info: Info, input: types.ConversationUpdateInput
    ) -> types.ConversationUpdatePayload:
        actor, conversation_id = info.context.actor, conversation_id_of(input.id)
        bases = input.knowledge_base_ids
        draft = service.ConversationDraft(
            input.title, input.topic, _group_id(input.group_id, "groupId"), input.ungrouped,
            knowledge_base_ids=_bases(bases) if bases is not None else None, channel_id=_channel_id(input.channel_id),
            any_channel=input.any_channel, model=input.model, pinned=input.pinned,
            policy=_policy(input.context_policy),
        )  # fmt: skip
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.update_conversation(uow, actor, conversation_id, draft)
        return types.ConversationUpdatePayload(conversation=await fresh(info, "Conversation", conversation_id))

    @strawberry.mutation(description="Delete a conversation. It can be restored; what is being written is stopped.")
    @refusals_as(types.ConversationDeletePayload)
    async def conversation_delete(
        self, info: Info, input: types.ConversationDeleteInput
    ) -> types.ConversationDeletePayload:
        actor, conversation_id = info.context.actor, conversation_id_of(input.id)
        async with info.context.services.units(actor.tenant_id) as uow:
            writing = await service.delete_conversation(uow, actor, conversation_id)
        for job_id in writing:
            await cancel_job(info.context, job_id)
        return types.ConversationDeletePayload(conversation=await fresh(info, "Conversation", conversation_id))

    @strawberry.mutation(description="Have a deleted conversation back.")
    @refusals_as(types.ConversationRestorePayload)
    async def conversation_restore(
        self, info: Info, input: types.ConversationRestoreInput
    ) -> types.ConversationRestorePayload:
        actor, conversation_id = info.context.actor, conversation_id_of(input.id)
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.restore_conversation(uow, actor, conversation_id)
        return types.ConversationRestorePayload(conversation=await fresh(info, "Conversation", conversation_id))

    @strawberry.mutation(description="Show another path of a conversation, and go on with it.")
    @refusals_as(types.ConversationSwitchPayload)
    async def conversation_switch(
        self, info: Info, input: types.ConversationSwitchInput
    ) -> types.ConversationSwitchPayload:
        actor = info.context.actor
        conversation_id = conversation_id_of(input.conversation_id, "conversationId")
        message_id = MessageId(decode_id("Message", input.message_id, "messageId"))
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.switch(uow, actor, conversation_id, message_id)
        return types.ConversationSwitchPayload(conversation=await fresh(info, "Conversation", conversation_id))


@strawberry.type
class GroupMutations:
    @strawberry.mutation(description="Make a group for conversations.")
    @refusals_as(types.ConversationGroupCreatePayload)
    async def conversation_group_create(
        self, info: Info, input: types.ConversationGroupCreateInput
    ) -> types.ConversationGroupCreatePayload:
        actor = info.context.actor
        async with info.context.services.units(actor.tenant_id) as uow:
            group = await service.create_group(uow, actor, input.name)
        made = await fresh(info, "ConversationGroup", group.id)
        return types.ConversationGroupCreatePayload(conversation_group=made)

    @strawberry.mutation(description="Give a group another name.")
    @refusals_as(types.ConversationGroupRenamePayload)
    async def conversation_group_rename(
        self, info: Info, input: types.ConversationGroupRenameInput
    ) -> types.ConversationGroupRenamePayload:
        actor, group_id = info.context.actor, GroupId(decode_id("ConversationGroup", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.rename_group(uow, actor, group_id, input.name)
        named = await fresh(info, "ConversationGroup", group_id)
        return types.ConversationGroupRenamePayload(conversation_group=named)

    @strawberry.mutation(description="Put a group in another place.")
    @refusals_as(types.ConversationGroupReorderPayload)
    async def conversation_group_reorder(
        self, info: Info, input: types.ConversationGroupReorderInput
    ) -> types.ConversationGroupReorderPayload:
        actor, group_id = info.context.actor, GroupId(decode_id("ConversationGroup", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.move_group(uow, actor, group_id, _group_id(input.after_id, "afterId"))
        moved = await fresh(info, "ConversationGroup", group_id)
        return types.ConversationGroupReorderPayload(conversation_group=moved)

    @strawberry.mutation(description="Delete a group. Its conversations stay.")
    @refusals_as(types.ConversationGroupDeletePayload)
    async def conversation_group_delete(
        self, info: Info, input: types.ConversationGroupDeleteInput
    ) -> types.ConversationGroupDeletePayload:
        actor, group_id = info.context.actor, GroupId(decode_id("ConversationGroup", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            await service.delete_group(uow, actor, group_id)
        return types.ConversationGroupDeletePayload(deleted_id=input.id)
