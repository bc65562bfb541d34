"""Titles and summaries: written by the same engine as answers, after one has ended.

They go through the author's channels and are paid like answers. One that fails is asked for again after the next answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from domain.channels.offers import Offered
from domain.conversations.context import SUMMARY_CHARS_MAX, compile_chat
from domain.conversations.entities import Conversation, Message, MessageRole, TalkEvent
from domain.conversations.passages import fenced
from domain.conversations.prompts import Words, said_in, words_of
from domain.conversations.sending import chat_input, turns_of
from domain.generation.entities import Generation, GenerationPurpose, GenerationState
from domain.generation.starting import enqueue, offers_for
from domain.ids import GenerationId, JobId, MessageId, new_id
from domain.jobs import QUEUES, Job, JobKind, JobState
from domain.text import TITLE_CHARS_MAX, estimated_tokens
from domain.unit_of_work import UnitOfWork

TITLE_TOKENS = 64
SUMMARY_TOKENS = 600
EXCERPT_CHARS = 600
"""Of each of the messages that a title is made of."""

_KINDS = {
    GenerationPurpose.TITLE: JobKind.CONVERSATION_TITLE,
    GenerationPurpose.SUMMARY: JobKind.CONVERSATION_SUMMARY,
}


async def after_answer(uow: UnitOfWork, generation: Generation) -> list[JobId]:
    """Have written what is due. Raises what starting a generation raises; nothing is kept then."""
    answer = await uow.conversations.message(generation.message_id) if generation.message_id is not None else None
    if answer is None or generation.purpose != GenerationPurpose.TEXT:
        return []
    conversation = await uow.conversations.conversation(answer.conversation_id, lock=True)
    if conversation is None or not answer.text.strip():
        return []
    path = await uow.conversations.path(answer.id)
    started = []
    if not conversation.title and not await _pending(uow, conversation.title_job_id):
        conversation.title_job_id = await _title(uow, conversation, generation, path)
        started.append(conversation.title_job_id)
    upto = await _summary_due(uow, conversation, path)
    if upto is not None and not await _pending(uow, conversation.summary_job_id):
        conversation.summary_job_id = await _summary(uow, conversation, generation, path, upto)
        started.append(conversation.summary_job_id)
    return started


async def _pending(uow: UnitOfWork, job_id: JobId | None) -> bool:
    job = await uow.jobs.job(job_id) if job_id is not None else None
    return job is not None and not JobState(job.state).terminal


async def _title(uow: UnitOfWork, conversation: Conversation, after: Generation, path: Sequence[Message]) -> JobId:
    first = next(n for n, one in enumerate(path) if one.role == MessageRole.USER)
    said = [(one.role, one.text[:EXCERPT_CHARS]) for one in path[first : first + 2]]
    words = words_of(path[first].text)
    return await _start(
        uow, conversation, after, GenerationPurpose.TITLE, words.title_contract, _shown(words, said), TITLE_TOKENS,
        path[-1].id,
    )  # fmt: skip


async def _summary_due(uow: UnitOfWork, conversation: Conversation, path: Sequence[Message]) -> MessageId | None:
    """Up to which message, were the next one sent now."""
    found = await offers_for(uow, conversation.channel_id, conversation.model)
    source = chat_input(conversation, "", path, _window(found), None)
    return compile_chat(source).summarize_upto


async def _summary(
    uow: UnitOfWork, conversation: Conversation, after: Generation, path: Sequence[Message], upto: MessageId
) -> JobId:
    turns = turns_of(path)
    ids = [one.id for one in turns]
    begin = ids.index(conversation.summary_upto) + 1 if conversation.summary_upto in ids else 0
    said = [(one.role.value, one.text) for one in turns[begin : ids.index(upto) + 1]]
    before = [("", conversation.summary)] if begin and conversation.summary else []
    words = words_of(path[-1].text)
    return await _start(
        uow, conversation, after, GenerationPurpose.SUMMARY, words.summary_contract, _shown(words, [*before, *said]),
        SUMMARY_TOKENS, upto,
    )  # fmt: skip


def _shown(words: Words, said: Sequence[tuple[str, str]]) -> str:
    return f"## {words.said}\n{fenced(said_in(words, said))}"


def _window(found: Offered) -> int:
    return max(one.model.context_window for one in found.offers)


async def _start(
    uow: UnitOfWork, conversation: Conversation, after: Generation, purpose: GenerationPurpose, system: str, prompt: str,
    tokens_max: int, message_id: MessageId,
) -> JobId:  # fmt: skip
    found = await offers_for(uow, conversation.channel_id, conversation.model)
    before = await uow.jobs.job(after.job_id)
    kind, channel = _KINDS[purpose], found.offers[0].channel
    job = Job(
        uow.tenant_id, JobId(new_id()), kind, QUEUES[kind], requested_by=conversation.created_by,
        principal=before.principal if before is not None else "",
    )  # fmt: skip
    messages = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
    receipt = {
        "prompt_tokens": estimated_tokens(system) + estimated_tokens(prompt), "budget_tokens": _window(found),
        "prefix_hash": hashlib.sha256(system.encode()).hexdigest(), "items": [],
    }  # fmt: skip
    generation = Generation(
        uow.tenant_id, GenerationId(new_id()), job.id, None, None, "", channel.id, channel.name, found.model, messages,
        receipt, tokens_max, tokens_max, pinned=found.pinned, message_id=message_id, owner_id=conversation.created_by,
        purpose=purpose,
    )  # fmt: skip
    await enqueue(uow, job, generation, found, 0)
    return job.id


# -- what they come to -----------------------------------------------------------------------------------------------


async def conversation_for(uow: UnitOfWork, generation: Generation) -> Conversation | None:
    """What a title or a summary is for, locked, though it were deleted."""
    message = await uow.conversations.message(generation.message_id) if generation.message_id is not None else None
    if message is None:
        return None
    return await uow.conversations.conversation(message.conversation_id, lock=True, deleted=True)


async def keep_chore(uow: UnitOfWork, generation: Generation, text: str) -> None:
    """A title that the author has set meanwhile is kept. Only a whole summary is one."""
    conversation = await conversation_for(uow, generation)
    if conversation is None or not text.strip() or generation.state != GenerationState.COMPLETED:
        return
    if generation.purpose == GenerationPurpose.TITLE:
        if not conversation.title:
            conversation.title = cleaned_title(text)
    else:
        conversation.summary = text.strip()[:SUMMARY_CHARS_MAX]
        conversation.summary_upto = generation.message_id


async def tell_chore(uow: UnitOfWork, generation: Generation) -> None:
    conversation = await conversation_for(uow, generation)
    if conversation is not None:
        await uow.feeds.append(conversation.id, TalkEvent.CHANGED, {})


def cleaned_title(text: str) -> str:
    """One line without the marks that models put around a title."""
    line = next((one.strip() for one in text.splitlines() if one.strip()), "")
    return line.strip(" \t#*_\"'“”‘’「」『』《》。.")[:TITLE_CHARS_MAX].strip()
