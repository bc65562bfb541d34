"""The assistant that a conversation was begun with, as its author may use it now.

The version stays the one that it began with. One that the author may not use any more (withdrawn, deleted, made private)
is left out: the conversation goes on without it, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.accounts import Actor
from domain.assistants.entities import AssistantInUse
from domain.assistants.market import assistant_of, current
from domain.conversations.entities import Conversation, Message, MessageRole, PartType
from domain.errors import ErrorCode, NotFound, Rejected
from domain.generation.context import Decision, Slot
from domain.generation.entities import Generation
from domain.ids import AssistantId, AssistantVersionId, KnowledgeBaseId, MessageId, new_id
from domain.knowledge.service import get_base
from domain.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Persona:
    """What an assistant adds to a prompt. `examples` are (question, answer). One that is `gone` adds nothing."""

    prompt: str = ""
    examples: Sequence[tuple[str, str]] = ()
    temperature: float | None = None
    max_output_tokens: int | None = None
    gone: bool = False


async def persona_of(uow: UnitOfWork, actor: Actor, conversation: Conversation) -> Persona | None:
    """None for a conversation that was begun with no assistant."""
    if conversation.assistant_version_id is None:
        return None
    try:
        used = await assistant_of(uow, actor, conversation.assistant_version_id)
    except NotFound:
        return Persona(gone=True)
    examples = tuple((one["user"], one["assistant"]) for one in used.examples)
    return Persona(used.prompt, examples, used.temperature, used.max_output_tokens)


async def refuse_gone(uow: UnitOfWork, actor: Actor, conversation: Conversation, former: Generation) -> None:
    """Raises Rejected for a prompt that tells of an assistant which its author may not use any more."""
    told = Slot.ASSISTANT.value, Decision.INCLUDED.value
    if told not in ((one["slot"], one["decision"]) for one in former.receipt["items"]):
        return
    persona = await persona_of(uow, actor, conversation)
    if persona is not None and persona.gone:
        message = "Its assistant may not be used any more: have the answer written anew."
        raise Rejected(ErrorCode.INVALID_STATE, message, "input", "id")


async def newest_version(uow: UnitOfWork, actor: Actor, assistant_id: AssistantId, field: str) -> AssistantInUse:
    """The version that the actor has installed, or else the newest that is shown to him. Raises NotFound."""
    version_id = await uow.assistants.installed(actor.user_id, assistant_id)
    version_id = version_id or await current(uow.assistants, actor, assistant_id)
    if version_id is None:
        raise NotFound("The assistant", "input", field)
    return await assistant_of(uow, actor, version_id, field)


async def chosen(
    uow: UnitOfWork, actor: Actor, assistant_id: AssistantId | None, version_id: AssistantVersionId | None
) -> AssistantInUse | None:
    """What a conversation is to begin with. A version may be of the assistant that is named alone. Raises NotFound."""
    if version_id is None:
        return None if assistant_id is None else await newest_version(uow, actor, assistant_id, "assistantId")
    used = await assistant_of(uow, actor, version_id)
    if assistant_id is not None and used.assistant_id != assistant_id:
        raise NotFound("The assistant", "input", "assistantVersionId")
    return used


async def begin_with(
    uow: UnitOfWork, actor: Actor, conversation: Conversation, used: AssistantInUse, most: int
) -> None:
    """Give a new conversation what an assistant prefers, where its author has chosen nothing; at most `most` bases.

    A model that no channel offers, and a base that the author does not see, are passed over.
    """
    conversation.assistant_version_id = used.version_id
    if conversation.model is None and used.model is not None:
        offers = [channel.model_named(used.model) for channel in await uow.channels.offered()]
        conversation.model = used.model if any(one is not None for one in offers) else None
    for one in used.knowledge_base_ids:
        if one in conversation.knowledge_base_ids or len(conversation.knowledge_base_ids) >= most:
            continue
        try:
            await get_base(uow, actor, KnowledgeBaseId(UUID(one)))
        except NotFound:
            continue
        conversation.knowledge_base_ids = [*conversation.knowledge_base_ids, one]


async def say_openings(uow: UnitOfWork, conversation: Conversation, used: AssistantInUse) -> None:
    """What the assistant says first: its greeting and its opening messages, each below the one before."""
    for depth, text in enumerate(filter(str.strip, (used.greeting, *used.opening_messages))):
        said = Message(
            conversation.tenant_id, MessageId(new_id()), conversation.id, conversation.active_leaf_id, depth,
            MessageRole.ASSISTANT, text, [{"type": PartType.TEXT.value, "text": text}],
        )  # fmt: skip
        await uow.conversations.add(said)
        conversation.active_leaf_id = said.id
