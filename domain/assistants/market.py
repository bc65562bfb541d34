"""Use cases of who uses assistants: reactions, ratings, installs, reports; and what a conversation needs of one."""

from __future__ import annotations

from domain.accounts import Actor, Permission
from domain.assistants.entities import (
    AssistantInstall,
    AssistantInUse,
    AssistantVersion,
    Mark,
    ReactionKind,
    ReportReason,
)
from domain.assistants.service import edited_by, seen_by, shown
from domain.assistants.store import AssistantStore
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import AssistantId, AssistantVersionId
from domain.text import NOTE_CHARS_MAX, clean_text
from domain.unit_of_work import UnitOfWork

STARS = range(1, 6)
WORDS_CHARS_MAX = 2_000


async def react(
    assistants: AssistantStore, actor: Actor, assistant_id: AssistantId, kind: ReactionKind, *, on: bool
) -> None:
    """Mark it, or take the mark off. Idempotent. Raises Rejected."""
    await _visible(assistants, actor, assistant_id)
    mark = Mark(liked=on) if kind is ReactionKind.LIKE else Mark(favourite=on)
    await assistants.mark(actor.user_id, assistant_id, mark)


async def rate(
    assistants: AssistantStore, actor: Actor, assistant_id: AssistantId, stars: int, words: str = ""
) -> None:
    """One rating for each user: a second takes the first one's place. Raises Rejected."""
    await _visible(assistants, actor, assistant_id)
    if stars not in STARS:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "Between 1 and 5 stars.", "input", "rating")
    said = clean_text(words, "words", chars_max=WORDS_CHARS_MAX).strip()
    await assistants.mark(actor.user_id, assistant_id, Mark(stars=stars, words=said))


async def report(
    assistants: AssistantStore, actor: Actor, assistant_id: AssistantId, reason: ReportReason, words: str
) -> None:
    """Tell the platform that a published assistant should be looked at. Raises Rejected."""
    actor.require(Permission.READ)
    await _published(assistants, assistant_id)
    said = clean_text(words, "words", chars_max=NOTE_CHARS_MAX)
    await assistants.report(actor.user_id, assistant_id, reason, said)


async def install(uow: UnitOfWork, actor: Actor, assistant_id: AssistantId) -> AssistantVersionId:
    """Put a published assistant among the caller's own, pinned to the version that everybody sees now."""
    actor.require(Permission.READ)
    version_id = await _published(uow.assistants, assistant_id)
    pin = AssistantInstall(actor.tenant_id, actor.user_id, assistant_id, version_id, uow.now, uow.now)
    await uow.assistants.install(pin)
    return version_id


async def uninstall(assistants: AssistantStore, actor: Actor, assistant_id: AssistantId) -> None:
    """Raises Rejected when it is not installed."""
    actor.require(Permission.READ)
    if not await assistants.uninstall(actor.user_id, assistant_id):
        raise NotFound("The installed assistant", "input", "assistantId")


async def assistant_of(
    uow: UnitOfWork, actor: Actor, version_id: AssistantVersionId, field: str = "assistantVersionId"
) -> AssistantInUse:
    """What a conversation needs of an assistant's version: prompt, greeting, opening messages, examples, model
    preferences and knowledge bases.

    Any version of an assistant of the tenant that is shown to the actor, as it was written; or any that was published
    of an assistant that still is, as everybody has it: without secrets, and without knowledge bases. Ask again with
    each message: an assistant that is withdrawn or deleted is nobody else's from then on. Whoever starts a conversation
    with it calls `uow.assistants.count_conversation`.

    Raises NotFound when there is no such version for this actor.
    """
    actor.require(Permission.READ)
    own = await uow.assistants.version(version_id)
    if own is not None and await shown(uow.assistants, actor, own):
        return _in_use(own)
    published = await uow.assistants.published_version(version_id)
    if published is None:
        raise NotFound("The assistant", "input", field)
    return _in_use(published)


async def current(assistants: AssistantStore, actor: Actor, assistant_id: AssistantId) -> AssistantVersionId | None:
    """The newest version for whoever may change it, the published one for others; None where there is none."""
    own = await assistants.assistant(assistant_id)
    if own is None:
        return await assistants.published(assistant_id)
    return own.current_version_id if edited_by(actor, own) else own.published_version_id


def _in_use(version: AssistantVersion) -> AssistantInUse:
    return AssistantInUse(
        version.assistant_id, version.id, version.number, version.prompt, version.greeting, version.opening_messages,
        version.examples, version.model, version.temperature, version.max_output_tokens,
        version.knowledge_base_ids,
    )  # fmt: skip


async def _visible(assistants: AssistantStore, actor: Actor, assistant_id: AssistantId) -> None:
    actor.require(Permission.READ)
    own = await assistants.assistant(assistant_id)
    if own is not None and seen_by(actor, own):
        return
    await _published(assistants, assistant_id)


async def _published(assistants: AssistantStore, assistant_id: AssistantId) -> AssistantVersionId:
    version_id = await assistants.published(assistant_id)
    if version_id is None:
        raise NotFound("The assistant", "input", "assistantId")
    return version_id
