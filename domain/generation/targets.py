"""What a generation writes: a version of its chapter, or its message with what that cites.

Whoever ends a generation locks what it writes before anything else of it is changed: see `lock`.
"""

from __future__ import annotations

from domain.channels.entities import ProviderKind
from domain.conversations.answers import begin_answer, end_answer, tell_answer
from domain.conversations.chores import conversation_for, keep_chore, tell_chore, useful
from domain.generation.entities import Attempt, Generation, GenerationPurpose
from domain.projects.entities import NodeStatus, OutlineNode, VersionOrigin
from domain.projects.service import new_version, status_by
from domain.unit_of_work import UnitOfWork


async def lock(uow: UnitOfWork, generation: Generation) -> None:
    """To be called before the generation's row is changed.

    A row that is changed twice asks for its chapter's row as well, and two generations of one chapter that end together
    would each wait for the other.
    """
    if generation.node_id is not None:
        await uow.projects.node(generation.node_id, lock=True, deleted=True)
    elif generation.purpose != GenerationPurpose.TEXT:
        await conversation_for(uow, generation)
    elif generation.message_id is not None:
        await uow.conversations.message(generation.message_id, lock=True)


async def begun(uow: UnitOfWork, generation: Generation) -> None:
    """A worker has taken it."""
    if generation.message_id is not None and generation.purpose == GenerationPurpose.TEXT:
        await begin_answer(uow, generation.message_id)


def is_kept(generation: Generation, text: str) -> bool:
    """Whether `keep_text` makes anything of a text that may be kept."""
    return generation.purpose == GenerationPurpose.TEXT or bool(useful(generation.purpose, generation.state, text))


async def keep_text(uow: UnitOfWork, generation: Generation, attempt: Attempt | None, text: str) -> None:
    """Make the text, unless it is blank, a version of its chapter, which is then free again; or end its message."""
    if generation.purpose != GenerationPurpose.TEXT:
        await keep_chore(uow, generation, text if attempt is not None else "")
    elif generation.message_id is not None:
        await end_answer(uow, generation, generation.message_id, text if attempt is not None else "")
    elif generation.node_id is not None:
        # A chapter that was deleted meanwhile gets its text all the same: it can be restored.
        chapter = await uow.projects.node(generation.node_id, lock=True, deleted=True)
        if chapter is not None:
            await _keep_version(uow, generation, chapter, attempt, text)


async def tell(uow: UnitOfWork, generation: Generation) -> None:
    """Say that what it writes has ended. The last of all, behind the money: it locks the row of a feed."""
    if generation.purpose != GenerationPurpose.TEXT:
        await tell_chore(uow, generation)
    elif generation.message_id is not None:
        await tell_answer(uow, generation.message_id)


async def _keep_version(
    uow: UnitOfWork, generation: Generation, chapter: OutlineNode, attempt: Attempt | None, text: str
) -> None:
    if attempt is not None and text.strip():
        channel = await uow.channels.channel(generation.channel_id)
        demo = channel is not None and channel.provider == ProviderKind.DEMO
        origin = VersionOrigin.DEMO if demo else VersionOrigin.AI
        version = new_version(chapter, text, origin, generation_id=generation.id)
        version.model, version.channel = attempt.model, attempt.channel
        await uow.projects.add(version)
        generation.version_id = version.id
    await _release_chapter(uow, chapter)


async def _release_chapter(uow: UnitOfWork, chapter: OutlineNode) -> None:
    """The chapter's own state again; a second generation that still runs shows in its own row."""
    if chapter.status == NodeStatus.GENERATING:
        current_id = chapter.current_version_id
        chapter.status = status_by(await uow.projects.version(current_id) if current_id is not None else None)
