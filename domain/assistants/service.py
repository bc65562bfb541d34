"""Use cases of who makes assistants: make, change, give versions, publish, withdraw, delete."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.accounts import Actor, Permission
from domain.assistants.drafts import AssistantDraft, VersionDraft, apply, fill
from domain.assistants.entities import Assistant, AssistantVersion, Publication, Visibility
from domain.assistants.store import AssistantStore
from domain.assistants.stripping import Stripped, StrippedCopy, stripped_copy
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import AssistantId, AssistantVersionId, new_id
from domain.unit_of_work import UnitOfWork

ASSISTANTS_MAX = 1_000
VERSIONS_MAX = 200


async def create_assistant(assistants: AssistantStore, actor: Actor, draft: AssistantDraft) -> Assistant:
    """The caller's own, which nobody else sees yet. Raises Rejected."""
    actor.require(Permission.WRITE)
    assistant = Assistant(actor.tenant_id, AssistantId(new_id()), actor.user_id, "")
    apply(assistant, draft)
    if await assistants.count() >= ASSISTANTS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"A tenant has at most {ASSISTANTS_MAX:,} assistants.")
    await assistants.add(assistant)
    return assistant


async def update_assistant(
    assistants: AssistantStore, actor: Actor, assistant_id: AssistantId, draft: AssistantDraft, now: datetime
) -> Assistant:
    """What is published stays as it was until it is published again. Raises Rejected."""
    assistant = await editable(assistants, actor, assistant_id, "id")
    apply(assistant, draft)
    assistant.updated_at = now
    return assistant


async def create_version(
    assistants: AssistantStore, actor: Actor, assistant_id: AssistantId, draft: VersionDraft, now: datetime
) -> AssistantVersion:
    """It becomes the assistant's current one. Raises Rejected."""
    assistant = await editable(assistants, actor, assistant_id)
    if assistant.versions_made >= VERSIONS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"An assistant has at most {VERSIONS_MAX} versions.")
    number, version_id = assistant.versions_made + 1, AssistantVersionId(new_id())
    version = AssistantVersion(actor.tenant_id, version_id, assistant.id, number, "", author_id=actor.user_id)
    fill(version, draft)
    await assistants.add_version(version)
    assistant.versions_made, assistant.current_version_id, assistant.updated_at = number, version.id, now
    return version


@dataclass(frozen=True, slots=True)
class Wish:
    """To whom to show an assistant; what is None stays as it is."""

    visibility: Visibility
    draft: AssistantDraft = field(default_factory=AssistantDraft)


async def publish(uow: UnitOfWork, actor: Actor, assistant_id: AssistantId, wish: Wish) -> list[Stripped]:
    """Show the current version to the tenant, or a copy of it to everybody; what was left out of the copy.

    Raises Rejected, INVALID_STATE for an assistant without a version, FORBIDDEN for one that the platform has removed.
    """
    assistants = uow.assistants
    assistant = await editable(assistants, actor, assistant_id)
    if wish.visibility is Visibility.PRIVATE:
        message = "To hide an assistant, use assistantUnpublish."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "visibility")
    version = await _current(assistants, assistant)
    if wish.visibility is Visibility.PUBLIC and await assistants.removed(assistant.id):
        message = "The platform has taken this assistant off the market."
        raise Rejected(ErrorCode.FORBIDDEN, message, "input", "assistantId")
    apply(assistant, wish.draft)
    assistant.visibility, assistant.published_version_id, assistant.updated_at = wish.visibility, version.id, uow.now
    if wish.visibility is Visibility.TENANT:
        await assistants.withdraw(assistant.id)
        return []
    copy = stripped_copy(assistant, version)
    owner = await uow.accounts.user(assistant.owner_id)
    publication = Publication(
        assistant.id, version.id, copy.name, copy.description, assistant.category, copy.tags,
        owner.display_name if owner is not None else "",
    )  # fmt: skip
    await assistants.publish(publication, copy.version)
    return copy.stripped


async def preview(assistants: AssistantStore, actor: Actor, assistant_id: AssistantId) -> StrippedCopy:
    """What publishing to everybody would show now, and what it would leave out. Raises Rejected as `publish` does."""
    assistant = await editable(assistants, actor, assistant_id)
    return stripped_copy(assistant, await _current(assistants, assistant))


async def unpublish(uow: UnitOfWork, actor: Actor, assistant_id: AssistantId) -> Assistant:
    """Only its owner sees it from now on: who has installed it loses it. Idempotent. Raises Rejected."""
    assistant = await editable(uow.assistants, actor, assistant_id)
    assistant.visibility, assistant.published_version_id, assistant.updated_at = Visibility.PRIVATE, None, uow.now
    await uow.assistants.withdraw(assistant.id)
    return assistant


async def delete(uow: UnitOfWork, actor: Actor, assistant_id: AssistantId) -> None:
    """Soft, and it is withdrawn from everybody. Raises Rejected."""
    assistant = await editable(uow.assistants, actor, assistant_id, "id")
    assistant.deleted_at = uow.now
    await uow.assistants.withdraw(assistant.id)


async def editable(
    assistants: AssistantStore, actor: Actor, assistant_id: AssistantId, field: str = "assistantId"
) -> Assistant:
    """One that its owner, or an administrator who sees it, may change; locked.

    Raises NotFound for what the actor does not see, Rejected(FORBIDDEN) for what he sees and may not change.
    """
    actor.require(Permission.WRITE)
    assistant = await assistants.assistant(assistant_id, lock=True)
    if assistant is None or not seen_by(actor, assistant):
        raise NotFound("The assistant", "input", field)
    if not edited_by(actor, assistant):
        message = "Only its owner, or an administrator, changes an assistant."
        raise Rejected(ErrorCode.FORBIDDEN, message, "input", field)
    return assistant


def seen_by(actor: Actor, assistant: Assistant) -> bool:
    """Whether a member of its tenant sees it."""
    return assistant.visibility != Visibility.PRIVATE or assistant.owner_id == actor.user_id


def edited_by(actor: Actor, assistant: Assistant) -> bool:
    """Whether a member who sees it may change it, and therefore sees its drafts."""
    return assistant.owner_id == actor.user_id or Permission.ADMIN in actor.permissions


async def shown(assistants: AssistantStore, actor: Actor, version: AssistantVersion) -> bool:
    """Whether a member of its tenant has this version: who may edit any, others those up to the published one."""
    assistant = await assistants.assistant(version.assistant_id)
    if assistant is None or not seen_by(actor, assistant):
        return False
    if edited_by(actor, assistant):
        return True
    published_id = assistant.published_version_id
    published = await assistants.version(published_id) if published_id is not None else None
    return published is not None and version.number <= published.number


async def _current(assistants: AssistantStore, assistant: Assistant) -> AssistantVersion:
    version_id = assistant.current_version_id
    version = await assistants.version(version_id) if version_id is not None else None
    if version is None:
        raise Rejected(ErrorCode.INVALID_STATE, "Give it a version first.", "input", "assistantId")
    return version
