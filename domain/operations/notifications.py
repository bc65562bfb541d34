"""Notifications: what a person should know, as a code with parameters that each client says in its own language.

What is for everyone with a right is written for each member who has it at that time: reading it is each one's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domain.accounts import AccountStore, Actor, Permission, User
from domain.errors import ErrorCode, Rejected
from domain.ids import NotificationId, TenantId, UserId, new_id

READ_AT_ONCE_MAX = 100


class NotificationKind(StrEnum):
    """What a notification says."""

    WEBHOOK_DISABLED = "WEBHOOK_DISABLED"
    CHANNEL_DOWN = "CHANNEL_DOWN"
    CHANNEL_BACK = "CHANNEL_BACK"
    BUDGET_THRESHOLD = "BUDGET_THRESHOLD"
    WALLET_LOW = "WALLET_LOW"
    SUBSCRIPTION_STARTED = "SUBSCRIPTION_STARTED"
    SUBSCRIPTION_CHANGED = "SUBSCRIPTION_CHANGED"
    SUBSCRIPTION_CANCELLED = "SUBSCRIPTION_CANCELLED"
    SUBSCRIPTION_ENDED = "SUBSCRIPTION_ENDED"
    SUBSCRIPTION_PAST_DUE = "SUBSCRIPTION_PAST_DUE"
    INVOICE_ISSUED = "INVOICE_ISSUED"
    INVOICE_DUE_SOON = "INVOICE_DUE_SOON"
    INVOICE_OVERDUE = "INVOICE_OVERDUE"
    INVOICE_PAID = "INVOICE_PAID"
    PAYMENT_SUCCEEDED = "PAYMENT_SUCCEEDED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    PAYMENT_LOST = "PAYMENT_LOST"
    AUTOMATIC_TOP_UP_OFF = "AUTOMATIC_TOP_UP_OFF"


@dataclass(eq=False)
class Notification:
    """`params` are what the sentence of its kind has blanks for."""

    tenant_id: TenantId
    id: NotificationId
    user_id: UserId
    kind: str
    params: dict[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    read_at: datetime | None = None


class NotificationStore(Protocol):
    """The notifications room of a unit of work."""

    async def add(self, notifications: Sequence[Notification]) -> None: ...
    async def mark_read(self, user_id: UserId, ids: Sequence[UUID], now: datetime) -> None:
        """Those of the user that are unread; others stay as they are."""
        ...

    async def count_unread(self, user_id: UserId) -> int: ...


class NotificationRooms(Protocol):
    """As much of a unit of work as telling somebody needs."""

    @property
    def tenant_id(self) -> TenantId: ...
    @property
    def now(self) -> datetime: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def notifications(self) -> NotificationStore: ...


async def notify(
    uow: NotificationRooms, to: UserId | Permission, kind: NotificationKind, params: Mapping[str, str]
) -> list[User]:
    """Tell one user, or every member with a right. Returns whom it told."""
    if isinstance(to, Permission):
        told = await uow.accounts.members_with(to)
    else:
        user = await uow.accounts.user(to)
        told = [user] if user is not None else []
    await uow.notifications.add(
        [
            Notification(uow.tenant_id, NotificationId(new_id()), user.id, kind, dict(params), uow.now)
            for user in told
        ]
    )  # fmt: skip
    return told


async def read_notifications(store: NotificationStore, actor: Actor, ids: Sequence[UUID], now: datetime) -> int:
    """Mark the actor's own as read. Returns how many are still unread."""
    actor.require(Permission.READ)
    if not 1 <= len(ids) <= READ_AT_ONCE_MAX:
        message = f"Between 1 and {READ_AT_ONCE_MAX} notifications at a time."
        raise Rejected(ErrorCode.LIMIT_REACHED, message, "input", "ids")
    await store.mark_read(actor.user_id, ids, now)
    return await store.count_unread(actor.user_id)
