"""Titles and summaries: written by the same engine as answers, after one has ended.

They go through the author's channels and are paid like answers. One that comes to nothing is asked for again, each time
after twice as many answers as before: what fails always is soon asked for no more.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from domain.channels.offers import Offered
from domain.conversations.context import SUMMARY_CHARS_MAX, Turn, budget_tokens, summary_due
from domain.conversations.entities import Conversation, Message, MessageRole, TalkEvent
from domain.conversations.passages import fenced
from domain.conversations.policy import ContextPolicy
from domain.conversations.prompts import Words, said_in, words_of
from domain.conversations.sending import chat_input, turns_of
from domain.generation.context import Decision, Slot
from domain.generation.entities import Generation, GenerationPurpose, GenerationState
from domain.generation.starting import enqueue, offers_for
from domain.ids import GenerationId, JobId, MessageId, new_id
from domain.jobs import QUEUES, Job, JobKind, JobState
from domain.text import TITLE_CHARS_MAX, estimated_tokens
from domain.unit_of_work import UnitOfWork

THINKING_TOKENS = 512
"""Of models that think before they write."""
TITLE_TOKENS = 64 + THINKING_TOKENS
SUMMARY_TOKENS = 600 + THINKING_TOKENS
SUMMARIZED_TOKENS_MAX = 16_000
"""At a time. A summary that has more to catch up with does it in steps, one after each answer."""
EXCERPT_CHARS = 600
"""Of each of the messages that a title is made of."""

_KINDS = {
    GenerationPurpose.TITLE: JobKind.CONVERSATION_TITLE,
    GenerationPurpose.SUMMARY: JobKind.CONVERSATION_SUMMARY,
}
_KEPT = (GenerationState.COMPLETED, GenerationState.TRUNCATED)
_LAST_SENTENCE = re.compile(r".*(?:[.!?](?=\s|$)|[。！？\n])", re.DOTALL)


async def begin_title(uow: UnitOfWork, generation: Generation) -> JobId | None:
    """Have a title written, where one is due. Raises what starting a generation raises; nothing is kept then."""
    conversation, answer = await _answered(uow, generation)
    if conversation is None or answer is None or conversation.title:
        return None
    path = await uow.conversations.path(answer.id)
    last = await _last(uow, conversation.title_job_id)
    if last is not None and not _again(last, path):
        return None
    conversation.title_job_id = await _title(uow, conversation, generation, path)
    return conversation.title_job_id


async def begin_summary(uow: UnitOfWork, generation: Generation) -> JobId | None:
    """As `begin_title`, for a summary of what grows too old."""
    conversation, answer = await _answered(uow, generation)
    if conversation is None or answer is None or not ContextPolicy.of(conversation.context_policy).summarize:
        return None
    path = await uow.conversations.path(answer.id)
    upto = _summary_due(conversation, generation, path)
    last = await _last(uow, conversation.summary_job_id)
    if upto is None or (last is not None and last.state != JobState.SUCCEEDED and not _again(last, path)):
        return None
    conversation.summary_job_id = await _summary(uow, conversation, generation, path, upto)
    return conversation.summary_job_id


async def _answered(uow: UnitOfWork, generation: Generation) -> tuple[Conversation | None, Message | None]:
    """The conversation, locked, and the answer, where something may follow it."""
    if generation.purpose != GenerationPurpose.TEXT or generation.state not in _KEPT:
        return None, None
    answer = await uow.conversations.message(generation.message_id) if generation.message_id is not None else None
    if answer is None or not answer.text.strip():
        return None, None
    return await uow.conversations.conversation(answer.conversation_id, lock=True), answer


async def _last(uow: UnitOfWork, job_id: JobId | None) -> Job | None:
    return await uow.jobs.job(job_id) if job_id is not None else None


def _again(last: Job, path: Sequence[Message]) -> bool:
    """Whether it is time for another try: twice as many answers are there as when the last one was asked for."""
    answers = [one for one in path if one.role == MessageRole.ASSISTANT]
    then = sum(1 for one in answers if one.created_at and last.created_at and one.created_at <= last.created_at)
    return JobState(last.state).terminal and len(answers) >= 2 * then


async def _title(uow: UnitOfWork, conversation: Conversation, after: Generation, path: Sequence[Message]) -> JobId:
    first = next(n for n, one in enumerate(path) if one.role == MessageRole.USER)
    said = [(one.role, one.text[:EXCERPT_CHARS]) for one in path[first : first + 2]]
    words = words_of(path[first].text)
    found = await offers_for(uow, conversation.channel_id, conversation.model)
    return await _start(
        uow, conversation, after, found, GenerationPurpose.TITLE, words.title_contract, _shown(words, said),
        TITLE_TOKENS, path[-1].id,
    )  # fmt: skip


def _summary_due(conversation: Conversation, after: Generation, path: Sequence[Message]) -> MessageId | None:
    """Up to which message, were the next one sent now, with as much beside it as the answered one had."""
    room_tokens = after.receipt.get("history_tokens")
    unfit = {"slot": Slot.SUMMARY, "decision": Decision.CUT_BUDGET}
    if room_tokens is None or any(unfit.items() <= item.items() for item in after.receipt["items"]):
        return None  # another summary would find no room either
    return summary_due(chat_input(conversation, "", path, 0, None), room_tokens)


async def _summary(
    uow: UnitOfWork, conversation: Conversation, after: Generation, path: Sequence[Message], upto: MessageId
) -> JobId:
    turns = turns_of(path)
    ids = [one.id for one in turns]
    begin = ids.index(conversation.summary_upto) + 1 if conversation.summary_upto in ids else 0
    before = [("", conversation.summary)] if begin and conversation.summary else []
    words = words_of(path[-1].text)
    found = await offers_for(uow, conversation.channel_id, conversation.model)
    room = budget_tokens(ContextPolicy(), _window(found)) - SUMMARY_TOKENS
    room -= estimated_tokens(words.summary_contract + _shown(words, before))
    said = fitting(turns[begin : ids.index(upto) + 1], min(room, SUMMARIZED_TOKENS_MAX))
    spoken = [*before, *((one.role.value, one.text) for one in said)]
    return await _start(
        uow, conversation, after, found, GenerationPurpose.SUMMARY, words.summary_contract, _shown(words, spoken),
        SUMMARY_TOKENS, said[-1].id,
    )  # fmt: skip


def fitting(turns: Sequence[Turn], room_tokens: int) -> list[Turn]:
    """The oldest messages in a row that fit. The first is cut where even that alone does not."""
    kept: list[Turn] = []
    for turn in turns:
        tokens = estimated_tokens(f"\n{turn.role}: {turn.text}")
        if tokens > room_tokens and kept:
            break
        if tokens > room_tokens:
            share = max(room_tokens, 0) / tokens / 2  # a character may weigh more than its neighbours do
            return [Turn(turn.id, turn.role, turn.text[: int(len(turn.text) * share)] + "…")]
        kept.append(turn)
        room_tokens -= tokens
    return kept


def _shown(words: Words, said: Sequence[tuple[str, str]]) -> str:
    return f"## {words.said}\n{fenced(said_in(words, said))}"


def _window(found: Offered) -> int:
    return max(one.model.context_window for one in found.offers)


async def _start(
    uow: UnitOfWork, conversation: Conversation, after: Generation, found: Offered, purpose: GenerationPurpose,
    system: str, prompt: str, tokens_max: int, message_id: MessageId,
) -> JobId:  # fmt: skip
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


def useful(purpose: str, state: str, text: str) -> str:
    """What is kept of a title or a summary as it was written, whole or cut; nothing of one that was stopped.

    What is not kept is not paid for either.
    """
    if state not in _KEPT:
        return ""
    if purpose == GenerationPurpose.TITLE:
        return cleaned_title(text)
    whole = text.strip()
    if state == GenerationState.TRUNCATED and (sentences := _LAST_SENTENCE.match(whole)) is not None:
        whole = sentences[0]
    return whole.strip()[:SUMMARY_CHARS_MAX]


async def keep_chore(uow: UnitOfWork, generation: Generation, text: str) -> None:
    """A title that the author has set meanwhile is kept."""
    kept = useful(generation.purpose, generation.state, text)
    conversation = await conversation_for(uow, generation) if kept else None
    if conversation is None:
        return
    if generation.purpose == GenerationPurpose.TITLE:
        conversation.title = conversation.title or kept
    else:
        conversation.summary, conversation.summary_upto = kept, generation.message_id


async def tell_chore(uow: UnitOfWork, generation: Generation) -> None:
    conversation = await conversation_for(uow, generation)
    if conversation is not None:
        await uow.feeds.append(conversation.id, TalkEvent.CHANGED, {})


def cleaned_title(text: str) -> str:
    """One line without the marks that models put around a title."""
    line = next((one.strip() for one in text.splitlines() if one.strip()), "")
    return line.strip(" \t#*_\"'“”‘’「」『』《》。.…")[:TITLE_CHARS_MAX].strip()
