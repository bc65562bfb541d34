"""Use cases of conversations and their groups: begin, change, delete, restore, switch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.accounts import Actor, Permission
from domain.conversations.entities import Conversation, ConversationGroup, Message, TalkEvent
from domain.conversations.persona import begin_with, chosen, say_openings
from domain.conversations.policy import ContextPolicy
from domain.conversations.store import ConversationStore
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import (
    AssistantId,
    AssistantVersionId,
    ChannelId,
    ConversationId,
    GroupId,
    JobId,
    KnowledgeBaseId,
    MessageId,
    ProjectId,
    new_id,
)
from domain.knowledge.service import get_base
from domain.projects.positions import position_between
from domain.projects.service import get_project
from domain.text import clean_line
from domain.unit_of_work import UnitOfWork

GROUPS_MAX = 200
BASES_MAX = 20
TOPIC_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class ConversationDraft:
    """New values; None leaves a field as it is. `ungrouped` takes it out of its group, `unpinned_channel` lets any
    channel answer again."""

    title: str | None = None
    topic: str | None = None
    group_id: GroupId | None = None
    ungrouped: bool = False
    project_id: ProjectId | None = None
    knowledge_base_ids: Sequence[KnowledgeBaseId] | None = None
    channel_id: ChannelId | None = None
    any_channel: bool = False
    model: str | None = None
    pinned: bool | None = None
    policy: ContextPolicy | None = None


async def create_conversation(
    uow: UnitOfWork, actor: Actor, draft: ConversationDraft, assistant_id: AssistantId | None = None,
    version_id: AssistantVersionId | None = None,
) -> Conversation:  # fmt: skip
    """With an assistant, the conversation keeps to the version that it begins with: the newest unless one is named."""
    actor.require(Permission.WRITE)
    conversation = Conversation(uow.tenant_id, ConversationId(new_id()), actor.user_id, updated_at=uow.now)
    await _apply(uow, actor, conversation, replace(draft, policy=draft.policy or ContextPolicy()))
    used = await chosen(uow, actor, assistant_id, version_id)
    if used is not None:
        await begin_with(uow, actor, conversation, used, BASES_MAX)
    await uow.conversations.add(conversation)
    if used is not None:
        await say_openings(uow, conversation, used)
        # Last: all tenants that begin with an assistant wait here for one row.
        await uow.assistants.count_conversation(used.assistant_id)
    return conversation


async def update_conversation(
    uow: UnitOfWork, actor: Actor, conversation_id: ConversationId, draft: ConversationDraft
) -> Conversation:
    actor.require(Permission.WRITE)
    if draft.group_id is not None:  # locked before its conversations, as whoever deletes it does
        await own_group(uow.conversations, actor, draft.group_id, field="groupId")
    conversation = await own_conversation(uow.conversations, actor, conversation_id, lock=True)
    await _apply(uow, actor, conversation, draft)
    await changed(uow, conversation)
    return conversation


async def _apply(uow: UnitOfWork, actor: Actor, conversation: Conversation, draft: ConversationDraft) -> None:
    if draft.title is not None:
        conversation.title = clean_line(draft.title, "title", required=False)
    if draft.topic is not None:
        conversation.topic = clean_line(draft.topic, "topic", chars_max=TOPIC_CHARS_MAX, required=False)
    if draft.group_id is not None or draft.ungrouped:
        group_id = None if draft.ungrouped else draft.group_id
        if group_id is not None:
            await own_group(uow.conversations, actor, group_id, field="groupId")
        conversation.group_id = group_id
    if draft.project_id is not None:
        conversation.project_id = (await get_project(uow.projects, draft.project_id, field="projectId")).id
    if draft.knowledge_base_ids is not None:
        conversation.knowledge_base_ids = await _bases(uow, actor, draft.knowledge_base_ids)
    if draft.pinned is not None:
        conversation.pinned = draft.pinned
    if draft.policy is not None:
        conversation.context_policy = draft.policy.checked().kept()
    await _apply_channel(uow, conversation, draft)


async def _apply_channel(uow: UnitOfWork, conversation: Conversation, draft: ConversationDraft) -> None:
    if draft.channel_id is not None or draft.any_channel:
        conversation.channel_id = None if draft.any_channel else draft.channel_id
    if conversation.channel_id is not None and draft.channel_id is not None:
        known = {one.id for one in await uow.channels.offered()}
        if conversation.channel_id not in known:
            raise NotFound("The channel", "input", "channelId")
    if draft.model is not None:
        conversation.model = clean_line(draft.model, "model", required=False) or None


async def _bases(uow: UnitOfWork, actor: Actor, ids: Sequence[KnowledgeBaseId]) -> list[str]:
    """Raises Rejected for too many, and NotFound for one that the actor does not see."""
    if len(ids) > BASES_MAX:
        message = f"At most {BASES_MAX} knowledge bases in a conversation."
        raise Rejected(ErrorCode.LIMIT_REACHED, message, "input", "knowledgeBaseIds")
    return [str((await get_base(uow, actor, one, field="knowledgeBaseIds")).id) for one in dict.fromkeys(ids)]


async def delete_conversation(uow: UnitOfWork, actor: Actor, conversation_id: ConversationId) -> list[JobId]:
    """Soft: it can be restored. A second call keeps the first time. Returns the jobs that are still writing for it:
    they are to be cancelled, each in a transaction of its own, as each has locks of its own."""
    actor.require(Permission.WRITE)
    conversation = await own_conversation(uow.conversations, actor, conversation_id, lock=True, deleted=True)
    conversation.deleted_at = conversation.deleted_at or uow.now
    writing = await uow.conversations.writing(conversation)
    await changed(uow, conversation)
    return writing


async def restore_conversation(uow: UnitOfWork, actor: Actor, conversation_id: ConversationId) -> Conversation:
    actor.require(Permission.WRITE)
    conversation = await own_conversation(uow.conversations, actor, conversation_id, lock=True, deleted=True)
    conversation.deleted_at = None
    await changed(uow, conversation)
    return conversation


async def switch(uow: UnitOfWork, actor: Actor, conversation_id: ConversationId, message_id: MessageId) -> Conversation:
    """Show the path through a message, down to the newest of what follows it."""
    actor.require(Permission.WRITE)
    conversation = await own_conversation(uow.conversations, actor, conversation_id, lock=True)
    message = await own_message(uow.conversations, conversation, message_id, field="messageId")
    conversation.active_leaf_id = await uow.conversations.newest_leaf(message.id)
    await changed(uow, conversation)
    return conversation


async def changed(uow: UnitOfWork, conversation: Conversation) -> None:
    """Note the time, and say it to whoever watches. The last thing that a unit of work does with a conversation."""
    conversation.updated_at = uow.now
    await uow.feeds.append(conversation.id, TalkEvent.CHANGED, {})


async def own_conversation(
    conversations: ConversationStore, actor: Actor, conversation_id: ConversationId, *, lock: bool = False,
    deleted: bool = False, field: str = "id",
) -> Conversation:  # fmt: skip
    """Raises NotFound also for one of another member: whatever the role, nobody reads along."""
    found = await conversations.conversation(conversation_id, lock=lock, deleted=deleted)
    if found is None or found.created_by != actor.user_id:
        raise NotFound("The conversation", "input", field)
    return found


async def own_message(
    conversations: ConversationStore, conversation: Conversation, message_id: UUID, *, field: str
) -> Message:
    found = await conversations.message(MessageId(message_id))
    if found is None or found.conversation_id != conversation.id:
        raise NotFound("The message", "input", field)
    return found


# -- groups ----------------------------------------------------------------------------------------------------------


async def create_group(uow: UnitOfWork, actor: Actor, name: str) -> ConversationGroup:
    """Behind all others."""
    actor.require(Permission.WRITE)
    name = clean_line(name, "name")
    groups = await uow.conversations.groups(actor.user_id)
    if len(groups) >= GROUPS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {GROUPS_MAX} groups.", "input")
    position = position_between(groups[-1].position if groups else None, None)
    group = ConversationGroup(uow.tenant_id, GroupId(new_id()), actor.user_id, name, position)
    await uow.conversations.add(group)
    return group


async def rename_group(uow: UnitOfWork, actor: Actor, group_id: GroupId, name: str) -> ConversationGroup:
    actor.require(Permission.WRITE)
    group = await own_group(uow.conversations, actor, group_id)
    group.name = clean_line(name, "name")
    return group


async def move_group(uow: UnitOfWork, actor: Actor, group_id: GroupId, after_id: GroupId | None) -> ConversationGroup:
    """Behind another one; None puts it first."""
    actor.require(Permission.WRITE)
    groups = await uow.conversations.groups(actor.user_id)
    group = next((one for one in groups if one.id == group_id), None)
    if group is None:
        raise NotFound("The group", "input", "id")
    others = [one for one in groups if one.id != group_id]
    ids = [one.id for one in others]
    if after_id is not None and after_id not in ids:
        raise NotFound("The group", "input", "afterId")
    at = ids.index(after_id) + 1 if after_id is not None else 0
    before = others[at - 1].position if at else None
    group.position = position_between(before, others[at].position if at < len(others) else None)
    return group


async def delete_group(uow: UnitOfWork, actor: Actor, group_id: GroupId) -> None:
    actor.require(Permission.WRITE)
    await uow.conversations.delete_group(await own_group(uow.conversations, actor, group_id))


async def own_group(
    conversations: ConversationStore, actor: Actor, group_id: GroupId, *, field: str = "id"
) -> ConversationGroup:
    group = await conversations.group(group_id, lock=True)
    if group is None or group.owner_id != actor.user_id:
        raise NotFound("The group", "input", field)
    return group
