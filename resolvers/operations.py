"""Root fields of the operations room."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import strawberry

from domain.accounts import Permission
from domain.operations import audit, notifications
from domain.operations.audit import Subject
from domain.text import clean_filter
from domain.unit_of_work import UnitOfWork
from persistence.operations import reads
from resolvers.mutations import refusals_as
from schema import operations as types
from schema.base import Connection
from schema.batched import After, Call, First, columns_of
from schema.context import Info
from schema.ids import code_of, decode_id, split_id


async def audited(
    info: Info, uow: UnitOfWork, action: str, subject: tuple[str, UUID], details: Mapping[str, Any] | None = None
) -> None:
    """Write in the audit log that this request's caller did this; `subject` is a type's name and an id."""
    context = info.context
    code_of(subject[0])  # raises KeyError for a type that has no ids, which could never be shown
    await audit.record(uow, context.actor, action, Subject(*subject), details, request_id=context.request_id)


@strawberry.type
class OperationsQueries:
    @strawberry.field(description="What you should know, newest first.")
    async def notifications(
        self, info: Info, first: First = 20, after: After = None,
        unread_only: Annotated[bool, strawberry.argument(description="Leave out what you have read.")] = False,
    ) -> Connection[types.Notification]:  # fmt: skip
        call = Call(reads.NOTIFICATIONS, {"user_id": info.context.actor.user_id, "unread": unread_only or None})
        columns = columns_of(info, "Notification", "edges", "node")
        return await info.context.reader().listed(call, first, after, columns)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(description="Who changed what in the tenant, newest first.")
    async def audit_entries(
        self, info: Info, first: First = 20, after: After = None,
        action: Annotated[
            str | None, strawberry.argument(description="Only this action, such as `client_app.update`.")
        ] = None,
        subject_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only what was done to this thing.")
        ] = None,
    ) -> Connection[types.AuditEntry]:  # fmt: skip
        info.context.actor.require(Permission.ADMIN)
        wanted = {
            "action": clean_filter(action, "action"),
            "subject_id": split_id(subject_id, "subjectId")[1] if subject_id is not None else None,
        }
        columns = columns_of(info, "AuditEntry", "edges", "node")
        return await info.context.reads.listed(Call(reads.AUDIT_ENTRIES, wanted), first, after, columns)  # type: ignore[attr-defined,no-any-return]


@strawberry.type
class OperationsMutations:
    @strawberry.mutation(description="Mark notifications as read. Those of others stay as they are.")
    @refusals_as(types.NotificationReadPayload)
    async def notification_read(self, info: Info, input: types.NotificationReadInput) -> types.NotificationReadPayload:
        actor, ids = info.context.actor, [decode_id("Notification", one, "ids") for one in input.ids]
        async with info.context.services.units(actor.tenant_id) as uow:
            left = await notifications.read_notifications(uow.notifications, actor, ids, uow.now)
        return types.NotificationReadPayload(unread_count=left)
