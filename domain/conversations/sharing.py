"""Links to read along: made by the author, taken back by him or an administrator, opened by anybody who has one.

They hold until they expire or are taken back, and for as long as their author may write in the tenant.

A token carries its tenant, whose rows alone are looked at; what it opens is found by its hash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from domain.accounts import GRANTS, Actor, Permission
from domain.conversations.entities import Conversation, ConversationShare, MessageState
from domain.conversations.service import own_conversation, own_message
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import ConversationId, MessageId, ShareId, TenantId, new_id
from domain.unit_of_work import UnitOfWork

DAYS_MAX = 90
SHARES_MAX = 50
SECRET_BYTES = 24
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Shared:
    """The link, and the token that opens it: kept nowhere."""

    share: ConversationShare
    token: str


async def share(
    uow: UnitOfWork, actor: Actor, conversation_id: ConversationId, leaf_id: MessageId | None, days: int
) -> Shared:
    """Whoever has the token reads the path as it is now; what is said later is not on it."""
    actor.require(Permission.WRITE)
    if not 1 <= days <= DAYS_MAX:
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 1 and {DAYS_MAX} days.", "input", "days")
    conversation = await own_conversation(uow.conversations, actor, conversation_id, lock=True, field="conversationId")
    leaf_id = leaf_id or conversation.active_leaf_id
    if leaf_id is None:
        message = "Nothing has been said yet."
        raise Rejected(ErrorCode.INVALID_STATE, message, "input", "conversationId")
    leaf = await own_message(uow.conversations, conversation, leaf_id, field="leafId")
    if not MessageState(leaf.state).written:
        message = "The answer is still being written. Share it once it has ended."
        raise Rejected(ErrorCode.INVALID_STATE, message, "input", "leafId")
    if sum(one.open_at(uow.now) for one in await uow.conversations.shares(conversation.id)) >= SHARES_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {SHARES_MAX} links to a conversation.", "input")
    raw = uow.tenant_id.bytes + secrets.token_bytes(SECRET_BYTES)
    made = ConversationShare(
        uow.tenant_id, ShareId(new_id()), conversation.id, leaf.id, _hash(raw), actor.user_id,
        uow.now + timedelta(days=days),
    )  # fmt: skip
    await uow.conversations.add(made)
    return Shared(made, base64.urlsafe_b64encode(raw).decode())


async def revoke(uow: UnitOfWork, actor: Actor, share_id: ShareId) -> ConversationShare:
    """One's own, or as an administrator anybody's. A second call keeps the first time."""
    actor.require(Permission.WRITE)
    found = await uow.conversations.share(share_id)
    if found is None or (found.created_by != actor.user_id and Permission.ADMIN not in actor.permissions):
        raise NotFound("The link", "input", "id")
    found.revoked_at = found.revoked_at or uow.now
    return found


def tenant_of(token: str) -> TenantId:
    """Raises NotFound for what is no token."""
    return TenantId(UUID(bytes=_read(token)[:_ID_BYTES]))


async def opened(uow: UnitOfWork, token: str) -> tuple[Conversation, ConversationShare]:
    """Raises NotFound for a link that does not hold, whatever the reason."""
    found = await uow.conversations.share_of(_hash(_read(token)))
    conversation = await uow.conversations.conversation(found.conversation_id) if found is not None else None
    if found is None or conversation is None or not found.open_at(uow.now):
        raise NotFound("The shared conversation", "token")
    roles = [role for one, role in await uow.accounts.memberships_of(found.created_by) if one.id == uow.tenant_id]
    if not any(Permission.WRITE in GRANTS[role] for role in roles):
        raise NotFound("The shared conversation", "token")
    return conversation, found


def _read(token: str) -> bytes:
    try:
        raw = base64.b64decode(token, b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _ID_BYTES + SECRET_BYTES:
        raise NotFound("The shared conversation", "token")
    return raw


def _hash(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()
