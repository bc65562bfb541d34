"""Answers as the engine writes them: begun by a worker, ended with their text and what they cite."""

from __future__ import annotations

from domain.conversations.entities import Citation, Message, MessageState, PartType, TalkEvent
from domain.conversations.passages import Cited, MarkReader, Passage, cited
from domain.generation.entities import Generation, GenerationState
from domain.ids import CitationId, MessageId, new_id
from domain.unit_of_work import UnitOfWork

ANSWER_STATE: dict[str, MessageState] = {
    GenerationState.COMPLETED: MessageState.COMPLETE,
    GenerationState.CANCELLED: MessageState.CANCELLED,
    GenerationState.TRUNCATED: MessageState.TRUNCATED,
    GenerationState.FAILED: MessageState.FAILED,
}
"""How a message stands once its generation has ended."""


def evidence_of(generation: Generation) -> list[Passage]:
    return [Passage.of(one) for one in generation.evidence]


def mark_reader(generation: Generation | None) -> MarkReader:
    """For the text of one attempt. Of what has no evidence it reads nothing."""
    if generation is None:
        return MarkReader((), "")
    return MarkReader(evidence_of(generation), generation.instructions)


def citation_data(one: Cited) -> dict[str, object]:
    """A citation as the stream carries it."""
    return {
        "index": one.rank, "marker": one.passage.alias, "start": one.start, "end": one.end, "quote": one.quote,
        "spanStart": one.span_start, "spanEnd": one.span_end, "document": str(one.passage.document_id),
        "chunk": str(one.passage.chunk_id),
    }  # fmt: skip


async def begin_answer(uow: UnitOfWork, message_id: MessageId) -> None:
    message = await uow.conversations.message(message_id, lock=True)
    if message is not None:
        message.state = MessageState.STREAMING


async def end_answer(uow: UnitOfWork, generation: Generation, message_id: MessageId, text: str) -> None:
    """Write the text, its end, and its citations. A conversation that was deleted meanwhile gets them all the same."""
    message = await uow.conversations.message(message_id, lock=True)
    if message is None:
        return
    message.state, message.text = ANSWER_STATE[generation.state], text
    message.parts = [{"type": PartType.TEXT.value, "text": text}] if text else []
    found = cited(text, evidence_of(generation), generation.instructions)
    for one in found:
        await uow.conversations.add(_citation(message, one))
    if found:
        await uow.conversations.mark_used(generation.job_id, [*{one.passage.label for one in found}])


def _citation(message: Message, one: Cited) -> Citation:
    return Citation(
        message.tenant_id, CitationId(new_id()), message.id, one.rank, one.passage.alias, one.start, one.end,
        one.passage.chunk_id, one.passage.document_id, one.quote, one.span_start, one.span_end,
    )  # fmt: skip


async def tell_answer(uow: UnitOfWork, message_id: MessageId) -> None:
    """Say to whoever watches the conversation how the answer stands now."""
    message = await uow.conversations.message(message_id)
    if message is not None:
        await uow.feeds.append(message.conversation_id, TalkEvent.MESSAGE_ENDED, {"message": str(message.id)})
