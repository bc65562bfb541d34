"""Sending, editing and regenerating: whatever has an answer written."""

from collections.abc import Awaitable, Callable
from typing import Any

import strawberry

from domain.accounts import Actor
from domain.billing import BudgetExceeded, QuotaExhausted
from domain.conversations import sending
from domain.conversations.deleting import delete_message
from domain.conversations.parts import PartDraft
from domain.conversations.retrieving import Found, PassageFinder, Unsearched
from domain.errors import Rejected
from domain.generation.context import ContextTooSmall
from domain.generation.starting import Started
from domain.ids import ConversationId, FileId, MessageId
from domain.unit_of_work import UnitOfWork
from resolvers.budgets import budget_exceeded
from resolvers.generation import generations_max, refused, ring
from resolvers.mutations import refusals_as
from resolvers.projects import fresh
from resolvers.services import Services
from schema.context import Info
from schema.conversations import inputs as types
from schema.cost import Cost
from schema.ids import decode_id, decode_optional
from schema.tracing import trace_parent

Ask = Callable[[UnitOfWork, Found | None, int], Awaitable[Started]]


@strawberry.type
class MessageMutations:
    @strawberry.mutation(
        description="Say something and have it answered. Watch the answer with `generationEvents`.",
        directives=[Cost(weight=10)],
    )
    async def message_send(self, info: Info, input: types.MessageSendInput) -> types.MessageSendResult:
        actor = info.context.actor
        try:
            parent_id = decode_optional("Message", input.parent_id, "parentId")
            command = sending.SendMessage(
                ConversationId(decode_id("Conversation", input.conversation_id, "conversationId")), input.text,
                input.idempotency_key, MessageId(parent_id) if parent_id else None, _parts(input.parts), trace_parent(),
            )  # fmt: skip
        except Rejected as refusal:
            return refused(refusal)
        return await _answered(
            info, lambda uow, found, most: sending.send(uow, actor, command, found, concurrency_max=most)
        )

    @strawberry.mutation(
        description="Say something otherwise: it becomes a sibling of what was said, and is answered.",
        directives=[Cost(weight=10)],
    )
    async def message_edit(self, info: Info, input: types.MessageEditInput) -> types.MessageEditResult:
        actor = info.context.actor
        try:
            message_id = MessageId(decode_id("Message", input.message_id, "messageId"))
            command = sending.EditMessage(
                message_id, input.text, input.idempotency_key, _parts(input.parts), trace_parent()
            )
        except Rejected as refusal:
            return refused(refusal)
        return await _answered(
            info, lambda uow, found, most: sending.edit(uow, actor, command, found, concurrency_max=most)
        )

    @strawberry.mutation(
        description="Delete a message with everything that follows it, for good: also what models were told of it. "
        "Refused while something of it is being written."
    )
    @refusals_as(types.MessageDeletePayload)
    async def message_delete(self, info: Info, input: types.MessageDeleteInput) -> types.MessageDeletePayload:
        actor, message_id = info.context.actor, MessageId(decode_id("Message", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            conversation = await delete_message(uow, actor, message_id)
        left = await fresh(info, "Conversation", conversation.id)
        return types.MessageDeletePayload(deleted_id=input.id, conversation=left)

    @strawberry.mutation(
        description="Have an answer written once more, beside the one that is there.", directives=[Cost(weight=10)]
    )
    async def message_regenerate(
        self, info: Info, input: types.MessageRegenerateInput
    ) -> types.MessageRegenerateResult:
        actor = info.context.actor
        try:
            message_id = MessageId(decode_id("Message", input.message_id, "messageId"))
        except Rejected as refusal:
            return refused(refusal)
        command = sending.Regenerate(message_id, input.idempotency_key, trace_parent())
        return await _answered(
            info, lambda uow, found, most: sending.regenerate(uow, actor, command, found, concurrency_max=most)
        )


def _parts(parts: list[types.MessagePartInput]) -> list[PartDraft]:
    return [PartDraft(one.type, one.text, _file_id(one.file_id)) for one in parts]


def _file_id(value: str | None) -> FileId | None:
    found = decode_optional("File", value, "parts")
    return FileId(found) if found else None


async def _started(services: Services, actor: Actor, ask: Ask, found: Found | None = None) -> Started:
    try:
        async with services.sending, services.units(actor.tenant_id) as uow:
            return await ask(uow, found, await generations_max(services, uow))
    except Unsearched as unsearched:
        query = unsearched.query
    found = await PassageFinder(services.units, services.retriever).find(actor, query)
    return await _started(services, actor, ask, found)


async def _answered(info: Info, ask: Ask) -> Any:
    """Start it, ring for a worker, and show the author's message with what writes the answer."""
    services: Services = info.context.services
    tenant_id = info.context.actor.tenant_id
    try:
        started = await _started(services, info.context.actor, ask)
    except BudgetExceeded as refusal:
        return await budget_exceeded(info, refusal)
    except (Rejected, ContextTooSmall, QuotaExhausted) as refusal:
        return refused(refusal)
    if started.ring and started.job_id is not None:
        await ring(services, tenant_id, started.job_id)
    generation = await fresh(info, "Generation", started.generation_id)
    answer = await info.context.reads.one("Message", generation.message_id)
    question = await info.context.reads.one("Message", answer.parent_id)
    return types.MessageAccepted(message=question, generation=generation, replayed=started.replayed)
