"""What is taken away for good: messages on request, and conversations that were deleted long ago.

The rows stay, for money and answers point at them; what they said does not, nor what models were told of it.
"""

from __future__ import annotations

from datetime import timedelta

from domain.accounts import Actor, Permission
from domain.conversations.entities import Conversation
from domain.conversations.sending import conversation_of
from domain.conversations.service import changed
from domain.errors import ErrorCode, Rejected
from domain.ids import MessageId
from domain.unit_of_work import UnitOfWork

PURGED_AFTER = timedelta(days=30)
"""A deleted conversation can be restored for so long."""
PURGED_AT_ONCE = 20


async def delete_message(uow: UnitOfWork, actor: Actor, message_id: MessageId) -> Conversation:
    """With everything below it. A path that ended there ends at what it followed."""
    actor.require(Permission.WRITE)
    conversation, message = await conversation_of(uow, actor, message_id, lock=True, field="id")
    gone = await uow.conversations.below(message.id)
    if await uow.conversations.any_written(gone):
        text = "An answer, a title or a summary is being written here. Wait for it, or stop it."
        raise Rejected(ErrorCode.INVALID_STATE, text, "input", "id")
    if conversation.active_leaf_id in gone:
        conversation.active_leaf_id = message.parent_id
    if conversation.summary_upto in gone:
        conversation.summary, conversation.summary_upto = "", None
    await uow.conversations.blank(gone)
    await changed(uow, conversation)
    return conversation


async def purge(uow: UnitOfWork) -> int:
    """Take some of a tenant's conversations away that nobody can want back any more; how many."""
    old = await uow.conversations.deleted_before(uow.now - PURGED_AFTER, PURGED_AT_ONCE)
    for conversation in old:
        conversation.title = conversation.topic = conversation.summary = ""
        conversation.active_leaf_id, conversation.summary_upto = None, None
        conversation.purged_at = uow.now
        await uow.conversations.blank(await uow.conversations.all_of(conversation.id))
    return len(old)
