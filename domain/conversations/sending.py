"""Use cases that have an answer written: send, edit, regenerate, retry.

Passages are looked up before the message is sent, not when a worker begins: so the hold is that of the very prompt, and
every attempt, and every retry, answers from the same evidence. With `found` None nothing has been looked up yet: a
message that needs it raises Unsearched, once nothing else forbids it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

from domain.accounts import Actor, Permission
from domain.channels.offers import Offered
from domain.conversations.answers import evidence_of
from domain.conversations.context import Chat, ChatInput, Gauge, Turn, compile_chat, gauge
from domain.conversations.entities import Conversation, Message, MessageRole, MessageState, TalkEvent
from domain.conversations.parts import PartDraft, clean_parts
from domain.conversations.persona import Persona, persona_of
from domain.conversations.policy import ContextPolicy
from domain.conversations.retrieving import Found, Unsearched, sought
from domain.conversations.service import own_conversation, own_message
from domain.errors import ErrorCode, NotFound, Rejected
from domain.files.entities import FilePurpose
from domain.generation.entities import Generation
from domain.generation.starting import Started, again, enqueue, new_job, offers_for, refuse_unpayable, replayed
from domain.ids import ConversationId, GenerationId, JobId, MessageId, new_id
from domain.jobs import JobKind, claim, scoped_key
from domain.unit_of_work import UnitOfWork

DEPTH_MAX = 1_000
"""Messages on one path."""
WORDS_AIMED = 300
"""What an answer's progress is measured by; nobody asked for a length."""


@dataclass(frozen=True, slots=True)
class SendMessage:
    """`parent_id` is the answer that it follows; None is the end of the active path."""

    conversation_id: ConversationId
    text: str
    idempotency_key: str
    parent_id: MessageId | None = None
    parts: Sequence[PartDraft] = ()
    trace_parent: str | None = None


@dataclass(frozen=True, slots=True)
class EditMessage:
    """A message said otherwise: it becomes a sibling of the one that it was edited from."""

    message_id: MessageId
    text: str
    idempotency_key: str
    parts: Sequence[PartDraft] = ()
    trace_parent: str | None = None


@dataclass(frozen=True, slots=True)
class Regenerate:
    """Another answer beside one that is there."""

    message_id: MessageId
    idempotency_key: str
    trace_parent: str | None = None


def _body(command: SendMessage | EditMessage | Regenerate) -> dict[str, Any]:
    """What an idempotency key is bound to."""
    return {name: value for name, value in asdict(command).items() if name not in {"idempotency_key", "trace_parent"}}


@dataclass(frozen=True)
class _Ask:
    """An answer to be: to which question, on which path, in which conversation."""

    conversation: Conversation
    question: Message
    path: list[Message]
    found: Found | None
    trace_parent: str | None


async def send(
    uow: UnitOfWork, actor: Actor, command: SendMessage, found: Found | None, *, concurrency_max: int
) -> Started:
    """Write the message, its answer to be, and the job that writes it, in one transaction.

    Raises Rejected, ContextTooSmall, QuotaExhausted or Unsearched; then nothing is kept and the key stays free.
    """
    actor.require(Permission.GENERATE)
    text, parts = clean_parts(command.text, command.parts)
    key = scoped_key(actor.principal, "messageSend", command.idempotency_key, _body(command))
    if (before := await claim(uow.jobs, key)) is not None:
        return replayed(before)
    conversation = await own_conversation(
        uow.conversations, actor, command.conversation_id, lock=True, field="conversationId"
    )
    await _require_images(uow, actor, command.parts)
    path = await _path_to(uow, conversation, command.parent_id)
    question = await _asked(uow, conversation, path, text, parts)
    ask = _Ask(conversation, question, path, found, command.trace_parent)
    started = await _answer(uow, actor, ask, concurrency_max=concurrency_max)
    await uow.jobs.complete_key(key, started.generation_id)
    return started


async def _require_images(uow: UnitOfWork, actor: Actor, parts: Sequence[PartDraft]) -> None:
    """Images of a message are the author's own, and were uploaded for that."""
    for part in parts:
        if part.file_id is None:
            continue
        file = await uow.files.file(part.file_id)
        if file is None or file.owner_id != actor.user_id or file.purpose != FilePurpose.MESSAGE_IMAGE:
            raise NotFound("The image", "input", "parts")


async def _path_to(uow: UnitOfWork, conversation: Conversation, parent_id: MessageId | None) -> list[Message]:
    """From the root to the answer that a new message follows."""
    leaf_id = parent_id or conversation.active_leaf_id
    if leaf_id is None:
        return []
    leaf = await own_message(uow.conversations, conversation, leaf_id, field="parentId")
    path = await uow.conversations.path(leaf.id)
    if MessageState(leaf.state).written and leaf.role == MessageRole.ASSISTANT:
        return path
    if parent_id is None and leaf.role == MessageRole.USER:
        return path[:-1]  # its answers were deleted: what is said now stands beside it
    message = "A message follows an answer that has been written to its end. Wait for it, or stop it."
    raise Rejected(ErrorCode.INVALID_STATE, message, "input", "parentId" if parent_id else "conversationId")


async def _asked(
    uow: UnitOfWork, conversation: Conversation, path: Sequence[Message], text: str, parts: list[dict[str, Any]],
    edited_from: MessageId | None = None,
) -> Message:  # fmt: skip
    if len(path) + 2 > DEPTH_MAX:
        message = f"A conversation has at most {DEPTH_MAX:,} messages in a row. Begin another one."
        raise Rejected(ErrorCode.LIMIT_REACHED, message, "input", "conversationId")
    parent_id = path[-1].id if path else None
    question = Message(
        uow.tenant_id, MessageId(new_id()), conversation.id, parent_id, len(path), MessageRole.USER, text, parts,
        edited_from_id=edited_from,
    )  # fmt: skip
    await uow.conversations.add(question)
    return question


async def edit(
    uow: UnitOfWork, actor: Actor, command: EditMessage, found: Found | None, *, concurrency_max: int
) -> Started:
    """As `send`, for a sibling of an author's message. What was said before stays, on its own path."""
    actor.require(Permission.GENERATE)
    text, parts = clean_parts(command.text, command.parts)
    key = scoped_key(actor.principal, "messageEdit", command.idempotency_key, _body(command))
    if (before := await claim(uow.jobs, key)) is not None:
        return replayed(before)
    conversation, message = await conversation_of(uow, actor, command.message_id, lock=True)
    if message.role != MessageRole.USER:
        raise Rejected(ErrorCode.INVALID_STATE, "Only what an author has said can be edited.", "input", "messageId")
    await _require_images(uow, actor, command.parts)
    path = (await uow.conversations.path(message.id))[:-1]
    question = await _asked(uow, conversation, path, text, parts, message.id)
    ask = _Ask(conversation, question, path, found, command.trace_parent)
    started = await _answer(uow, actor, ask, concurrency_max=concurrency_max)
    await uow.jobs.complete_key(key, started.generation_id)
    return started


async def regenerate(
    uow: UnitOfWork, actor: Actor, command: Regenerate, found: Found | None, *, concurrency_max: int
) -> Started:
    """As `send`, for a sibling of an answer."""
    actor.require(Permission.GENERATE)
    key = scoped_key(actor.principal, "messageRegenerate", command.idempotency_key, _body(command))
    if (before := await claim(uow.jobs, key)) is not None:
        return replayed(before)
    conversation, message = await conversation_of(uow, actor, command.message_id, lock=True)
    if message.role != MessageRole.ASSISTANT or message.generation_id is None:
        raise Rejected(ErrorCode.INVALID_STATE, "Only an answer can be written again.", "input", "messageId")
    *path, question, _ = await uow.conversations.path(message.id)
    ask = _Ask(conversation, question, path, found, command.trace_parent)
    started = await _answer(uow, actor, ask, concurrency_max=concurrency_max)
    await uow.jobs.complete_key(key, started.generation_id)
    return started


async def conversation_of(
    uow: UnitOfWork, actor: Actor, message_id: UUID, *, lock: bool = False, field: str = "messageId"
) -> tuple[Conversation, Message]:
    """Raises NotFound for a message of somebody else's conversation."""
    message = await uow.conversations.message(MessageId(message_id))
    if message is None:
        raise NotFound("The message", "input", field)
    try:
        return await own_conversation(uow.conversations, actor, message.conversation_id, lock=lock), message
    except NotFound:
        raise NotFound("The message", "input", field) from None


# -- the answer ------------------------------------------------------------------------------------------------------


def turns_of(path: Sequence[Message]) -> list[Turn]:
    """What a model can be told of a path: messages with words, written to their end."""
    return [
        Turn(one.id, MessageRole(one.role), one.text)
        for one in path
        if one.text.strip() and MessageState(one.state).written and one.role != MessageRole.TOOL
    ]


def chat_input(
    conversation: Conversation, question: str, path: Sequence[Message], window_tokens: int, persona: Persona | None
) -> ChatInput:
    return ChatInput(
        question, turns_of(path), ContextPolicy.of(conversation.context_policy), window_tokens, conversation.summary,
        conversation.summary_upto, persona=persona,
    )  # fmt: skip


async def gauge_of(uow: UnitOfWork, actor: Actor, conversation_id: ConversationId) -> Gauge | None:
    """How full the window is before the next message; None where no channel could answer it."""
    conversation = await own_conversation(uow.conversations, actor, conversation_id, deleted=True)
    try:
        found = await offers_for(uow, conversation.channel_id, conversation.model)
    except Rejected:
        return None
    leaf_id = conversation.active_leaf_id
    path = await uow.conversations.path(leaf_id) if leaf_id is not None else []
    window_tokens = max(one.model.context_window for one in found.offers)
    return gauge(chat_input(conversation, "", path, window_tokens, await persona_of(uow, actor, conversation)))


async def _answer(uow: UnitOfWork, actor: Actor, ask: _Ask, *, concurrency_max: int) -> Started:
    conversation, question = ask.conversation, ask.question
    found = await offers_for(uow, conversation.channel_id, conversation.model)
    window_tokens = max(one.model.context_window for one in found.offers)
    persona = await persona_of(uow, actor, conversation)
    source = chat_input(conversation, question.text, ask.path, window_tokens, persona)
    if ask.found is None and (query := await sought(uow, actor, conversation, question.text)) is not None:
        await refuse_unpayable(uow, compile_chat(source).compiled, found)
        raise Unsearched(query)
    passages = ask.found or Found()
    chat = compile_chat(replace(source, passages=passages.passages, unsearched=passages.failed))
    generation = _generation(uow, actor, question, chat, found)
    generation.temperature = persona.temperature if persona is not None else None
    return await start_answer(
        uow, actor, conversation, question, generation, found, trace_parent=ask.trace_parent,
        concurrency_max=concurrency_max,
    )  # fmt: skip


def _generation(uow: UnitOfWork, actor: Actor, question: Message, chat: Chat, found: Offered) -> Generation:
    likeliest, compiled = found.offers[0].channel, chat.compiled
    return Generation(
        uow.tenant_id, GenerationId(new_id()), JobId(new_id()), None, None, question.text, likeliest.id, likeliest.name,
        found.model, [{"role": m.role, "content": m.content} for m in compiled.messages], compiled.receipt(),
        compiled.max_output_tokens, WORDS_AIMED, pinned=found.pinned, owner_id=actor.user_id,
        evidence=[one.kept() for one in chat.passages],
    )  # fmt: skip


async def start_answer(
    uow: UnitOfWork, actor: Actor, conversation: Conversation, question: Message, generation: Generation,
    found: Offered, *, trace_parent: str | None, concurrency_max: int, retry_of: JobId | None = None,
) -> Started:  # fmt: skip
    """Write the answer to be, as the new end of the active path, and what is to write it."""
    job = new_job(uow, actor, JobKind.MESSAGE_GENERATE, trace_parent, retry_of)
    answer = Message(
        uow.tenant_id, MessageId(new_id()), conversation.id, question.id, question.depth + 1, MessageRole.ASSISTANT,
        state=MessageState.PENDING,
    )  # fmt: skip
    await uow.conversations.add(answer)
    generation.job_id, generation.message_id = job.id, answer.id
    ring = await enqueue(uow, job, generation, found, concurrency_max)
    await uow.conversations.keep_evidence(job.id, evidence_of(generation))
    answer.generation_id = generation.id
    conversation.active_leaf_id, conversation.updated_at = answer.id, uow.now
    added = {"message": str(answer.id), "question": str(question.id)}
    await uow.feeds.append(conversation.id, TalkEvent.MESSAGE_ADDED, added)
    return Started(generation.id, job.id, replayed=False, ring=ring)


async def answer_again(
    uow: UnitOfWork, actor: Actor, former: Generation, message_id: MessageId, old_id: JobId, *, concurrency_max: int
) -> Started:
    """The same request once more: its answer becomes a sibling of the one that ended without success."""
    conversation, answer = await conversation_of(uow, actor, message_id, lock=True, field="id")
    question = await own_message(uow.conversations, conversation, answer.parent_id or answer.id, field="id")
    found = await offers_for(uow, former.channel_id if former.pinned else None, former.model)
    generation = again(former, old_id, found.offers[0].channel)
    return await start_answer(
        uow, actor, conversation, question, generation, found, trace_parent=None, concurrency_max=concurrency_max,
        retry_of=old_id,
    )  # fmt: skip
