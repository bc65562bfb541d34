"""The audit log: who did what to which thing, written in the transaction that does it, and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from domain.accounts import Actor
from domain.ids import ApiTokenId, TenantId, UserId, new_id
from domain.operations.webhooks import WebhookEvent, WebhookStore, publish

RETENTION_DAYS_MIN = 90
"""Entries are kept at least as long: the database refuses to delete a younger one."""
FORGOTTEN_AT_ONCE = 5_000
_SECRET_WORDS = frozenset({"hash", "key", "password", "secret", "token"})


class ActorKind(StrEnum):
    """Who acted."""

    USER = "USER"
    TOKEN = "TOKEN"
    PLATFORM = "PLATFORM"


@dataclass(frozen=True, slots=True)
class Subject:
    """What was acted on: a type's name as clients see it, and the id."""

    type: str
    id: UUID


@dataclass(eq=False)
class AuditEntry:
    """`action` is a thing and a verb, such as `client_app.update`. A token's entry names its owner as well."""

    tenant_id: TenantId
    id: UUID
    actor_kind: str
    user_id: UserId | None
    api_token_id: ApiTokenId | None
    action: str
    subject_type: str
    subject_id: UUID
    details: dict[str, Any] = field(default_factory=dict)
    request_id: str = ""
    at: datetime | None = None


class AuditStore(Protocol):
    """The audit room of a unit of work."""

    async def add(self, entry: AuditEntry) -> None: ...
    async def forget(self, before: datetime, batch: int) -> int:
        """Delete older entries, so many at most; how many."""
        ...


class AuditRooms(Protocol):
    """As much of a unit of work as an entry needs."""

    @property
    def tenant_id(self) -> TenantId: ...
    @property
    def now(self) -> datetime: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def webhooks(self) -> WebhookStore: ...


async def record(
    uow: AuditRooms, actor: Actor | None, action: str, subject: Subject, details: Mapping[str, Any] | None = None,
    *, request_id: str = "",
) -> None:  # fmt: skip
    """Write an entry, and tell the webhooks; an actor of None is the platform itself.

    Raises ValueError for details named like secrets, whatever their values are.
    """
    known = dict(details or {})
    for name in known:
        if _SECRET_WORDS & set(name.lower().split("_")):
            raise ValueError(f"the audit log does not take {name}")
    entry = AuditEntry(
        uow.tenant_id, new_id(), _kind(actor), actor.user_id if actor else None,
        actor.api_token_id if actor else None, action, subject.type, subject.id, known, request_id, uow.now,
    )  # fmt: skip
    await uow.audit.add(entry)
    await publish(uow, WebhookEvent.AUDIT_RECORDED, _told(entry))


def _told(entry: AuditEntry) -> dict[str, Any]:
    return {
        "action": entry.action,
        "actorKind": entry.actor_kind,
        "subjectType": entry.subject_type,
        "details": entry.details,
        "requestId": entry.request_id,
    }


def _kind(actor: Actor | None) -> ActorKind:
    if actor is None:
        return ActorKind.PLATFORM
    return ActorKind.TOKEN if actor.api_token_id is not None else ActorKind.USER


async def forget(uow: AuditRooms, keep_days: int, *, batch: int = FORGOTTEN_AT_ONCE) -> int:
    """Delete some of a tenant's entries that are older; how many. Fewer than `batch`: they were the last."""
    if keep_days < RETENTION_DAYS_MIN:
        raise ValueError(f"audit entries are kept for at least {RETENTION_DAYS_MIN} days")
    return await uow.audit.forget(uow.now - timedelta(days=keep_days), batch)
