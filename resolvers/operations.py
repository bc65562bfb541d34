"""Root fields of the operations room."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import strawberry

from domain.accounts import Permission
from domain.ids import DeliveryId, EndpointId
from domain.operations import audit, notifications, webhooks
from domain.operations.audit import Subject
from domain.operations.webhooks import EndpointDraft
from domain.text import clean_filter
from domain.unit_of_work import UnitOfWork
from persistence.operations import reads
from resolvers.mutations import refusals_as
from resolvers.projects import fresh
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

    @strawberry.field(description="The tenant's webhook endpoints, newest first.")
    async def webhook_endpoints(
        self, info: Info, first: First = 20, after: After = None
    ) -> Connection[types.WebhookEndpoint]:
        info.context.actor.require(Permission.ADMIN)
        columns = columns_of(info, "WebhookEndpoint", "edges", "node")
        return await info.context.reads.listed(Call(reads.ENDPOINTS), first, after, columns)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(description="What runs by the clock, by name. For platform administrators.")
    async def schedules(self, info: Info) -> list[types.Schedule]:
        info.context.actor.require(Permission.PLATFORM)
        return await info.context.services.database.platform_rows(reads.all_schedules())  # type: ignore[no-any-return]

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


@strawberry.type
class WebhookMutations:
    @strawberry.mutation(description="Have events sent to an address. The secret that signs them is shown once.")
    @refusals_as(types.WebhookEndpointCreatePayload)
    async def webhook_endpoint_create(
        self, info: Info, input: types.WebhookEndpointCreateInput
    ) -> types.WebhookEndpointCreatePayload:
        actor, draft, vault = info.context.actor, _draft(info, input), info.context.services.webhook_secrets
        async with info.context.services.units(actor.tenant_id) as uow:
            made = await webhooks.create_endpoint(uow.webhooks, actor, draft, vault)
            await audited(info, uow, "webhook_endpoint.create", ("WebhookEndpoint", made.endpoint.id), _decided(input))
        endpoint = await fresh(info, "WebhookEndpoint", made.endpoint.id)
        return types.WebhookEndpointCreatePayload(webhook_endpoint=endpoint, secret=made.secret)

    @strawberry.mutation(description="Change an endpoint, or turn it on or off.")
    @refusals_as(types.WebhookEndpointUpdatePayload)
    async def webhook_endpoint_update(
        self, info: Info, input: types.WebhookEndpointUpdateInput
    ) -> types.WebhookEndpointUpdatePayload:
        actor, endpoint_id, draft = info.context.actor, _endpoint_id(input.id), _draft(info, input)
        async with info.context.services.units(actor.tenant_id) as uow:
            await webhooks.update_endpoint(uow.webhooks, actor, endpoint_id, draft, uow.now)
            await audited(info, uow, "webhook_endpoint.update", ("WebhookEndpoint", endpoint_id), _decided(input))
        return types.WebhookEndpointUpdatePayload(webhook_endpoint=await fresh(info, "WebhookEndpoint", endpoint_id))

    @strawberry.mutation(description="Delete an endpoint. What waits for it is not sent.")
    @refusals_as(types.WebhookEndpointDeletePayload)
    async def webhook_endpoint_delete(
        self, info: Info, input: types.WebhookEndpointDeleteInput
    ) -> types.WebhookEndpointDeletePayload:
        actor, endpoint_id = info.context.actor, _endpoint_id(input.id)
        async with info.context.services.units(actor.tenant_id) as uow:
            await webhooks.delete_endpoint(uow.webhooks, actor, endpoint_id, uow.now)
            await audited(info, uow, "webhook_endpoint.delete", ("WebhookEndpoint", endpoint_id))
        return types.WebhookEndpointDeletePayload(deleted_id=input.id)

    @strawberry.mutation(description="Give an endpoint a new secret. For 24 hours the old one signs as well.")
    @refusals_as(types.WebhookEndpointRotateSecretPayload)
    async def webhook_endpoint_rotate_secret(
        self, info: Info, input: types.WebhookEndpointRotateSecretInput
    ) -> types.WebhookEndpointRotateSecretPayload:
        actor, endpoint_id, vault = info.context.actor, _endpoint_id(input.id), info.context.services.webhook_secrets
        async with info.context.services.units(actor.tenant_id) as uow:
            rotated = await webhooks.rotate_secret(uow.webhooks, actor, endpoint_id, uow.now, vault)
            await audited(info, uow, "webhook_endpoint.rotate_secret", ("WebhookEndpoint", endpoint_id))
        endpoint = await fresh(info, "WebhookEndpoint", endpoint_id)
        return types.WebhookEndpointRotateSecretPayload(webhook_endpoint=endpoint, secret=rotated.secret)

    @strawberry.mutation(description="Send an endpoint a test event.")
    @refusals_as(types.WebhookEndpointTestPayload)
    async def webhook_endpoint_test(
        self, info: Info, input: types.WebhookEndpointTestInput
    ) -> types.WebhookEndpointTestPayload:
        actor = info.context.actor
        async with info.context.services.units(actor.tenant_id) as uow:
            made = await webhooks.send_test(uow, actor, _endpoint_id(input.id))
        return types.WebhookEndpointTestPayload(webhook_delivery=await fresh(info, "WebhookDelivery", made.id))

    @strawberry.mutation(description="Send an event again that was given up, or that its receiver lost.")
    @refusals_as(types.WebhookRedeliverPayload)
    async def webhook_redeliver(self, info: Info, input: types.WebhookRedeliverInput) -> types.WebhookRedeliverPayload:
        actor, delivery_id = info.context.actor, DeliveryId(decode_id("WebhookDelivery", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            made = await webhooks.redeliver(uow, actor, delivery_id)
        return types.WebhookRedeliverPayload(webhook_delivery=await fresh(info, "WebhookDelivery", made.id))


def _endpoint_id(value: strawberry.ID) -> EndpointId:
    return EndpointId(decode_id("WebhookEndpoint", value))


def _draft(info: Info, input: types.WebhookEndpointCreateInput | types.WebhookEndpointUpdateInput) -> EndpointDraft:
    any_address = info.context.services.any_webhook_address
    enabled = input.enabled if isinstance(input, types.WebhookEndpointUpdateInput) else None
    return EndpointDraft(input.url, input.events, enabled, any_address)


def _decided(input: types.WebhookEndpointCreateInput | types.WebhookEndpointUpdateInput) -> dict[str, Any]:
    """What a person has decided, for the audit log. An address may hold a secret of its own: only where it leads."""
    enabled = input.enabled if isinstance(input, types.WebhookEndpointUpdateInput) else None
    decided = {"host": urlsplit(input.url).netloc if input.url else None, "events": input.events, "enabled": enabled}
    return {name: value for name, value in decided.items() if value is not None}
