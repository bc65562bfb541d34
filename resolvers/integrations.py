"""Root fields of the integrations room: client applications, trusted documents, usage."""

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import strawberry

from domain import integrations as domain
from domain.errors import ErrorCode, Rejected
from domain.ids import ClientAppId, DocumentId
from domain.integrations import FIRST_PARTY, SHA256, ClientAppDraft, Inquiry, Submitted
from persistence.integrations import reads
from resolvers.mutations import refusals_as
from resolvers.operations import audited
from resolvers.projects import fresh
from schema import integrations as types
from schema.base import Connection
from schema.batched import After, First
from schema.context import Info
from schema.ids import decode_id, decode_optional

USAGE_DAYS = 30


def _app_id(value: strawberry.ID, field: str = "id") -> ClientAppId:
    return ClientAppId(decode_id("ClientApp", value, field))


@strawberry.type
class IntegrationQueries:
    @strawberry.field(description="The tenant's client applications, newest first.")
    async def client_apps(self, info: Info, first: First = 20, after: After = None) -> Connection[types.ClientApp]:
        domain.require_manager(info.context.actor)
        rows = reads.client_app_rows(info.context.actor.tenant_id)
        return await info.context.reads.page(rows, reads.CLIENT_APPS, first, after)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(
        description="How an operation is answered, and PostgreSQL's plan for it. For platform administrators."
    )
    async def operation_explain(self, info: Info, input: types.OperationExplainInput) -> types.OperationExplanation:
        domain.require_operator(info.context.actor)
        inquiry = Inquiry(input.document_id, input.text, input.operation_name, input.variables, input.analyze)
        found = await info.context.services.explain(inquiry, info.context)
        return types.OperationExplanation(
            engine=found.engine, reason=found.reason, cost=found.cost, sql=found.sql, plan=found.plan
        )

    @strawberry.field(description="What of the schema the tenant's clients use, so that a deprecated field can go.")
    async def schema_usage(
        self, info: Info, client_app_id: types.ClientAppId = None, since: types.Since = None,
        to: types.Until = None, field: types.FieldName = None,
    ) -> types.SchemaUsage:  # fmt: skip
        actor, rows = info.context.actor, info.context.reads.rows  # type: ignore[attr-defined]
        domain.require_manager(actor)
        wanted = decode_optional("ClientApp", client_app_id, "clientAppId")
        span = actor.tenant_id, *_days(since, to), wanted
        fields = await rows(reads.field_usage(*span, field))
        documents = await rows(reads.document_usage(*span, field))
        free_text = await rows(reads.free_text_usage(*span)) if field is None else []
        return types.SchemaUsage(
            fields=[_field_usage(info, row) for row in fields],
            documents=await asyncio.gather(*(_document_usage(info, row) for row in documents)),
            free_text=await asyncio.gather(*(_free_text_usage(info, row) for row in free_text)),
        )


def _days(since: datetime | None, until: datetime | None) -> tuple[date, date]:
    """The days of a report in UTC, both included. Raises Rejected when they are the wrong way round."""
    last = (until or datetime.now(UTC)).astimezone(UTC).date()
    first = since.astimezone(UTC).date() if since is not None else last - timedelta(days=USAGE_DAYS)
    if first > last:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "`from` lies behind `to`.", "from")
    return first, last


def _field_usage(info: Info, row: Any) -> types.FieldUsage:
    type_name, _, name = row.name.partition(".")
    owner = info.schema._schema.type_map.get(type_name)  # type: ignore[attr-defined]
    known = getattr(owner, "fields", {}).get(name)
    return types.FieldUsage(
        coordinate=row.name, uses=min(int(row.uses), types.INT_MAX), last_used_at=row.last_used_at,
        deprecation_reason=known.deprecation_reason if known is not None else None,
    )  # fmt: skip


async def _document_usage(info: Info, row: Any) -> types.DocumentUsage:
    return types.DocumentUsage(
        hash=SHA256 + row.hash, name=row.name, uses=min(int(row.uses), types.INT_MAX), last_used_at=row.last_used_at,
        client_app=await _sender(info, row),
    )  # fmt: skip


async def _free_text_usage(info: Info, row: Any) -> types.FreeTextUsage:
    return types.FreeTextUsage(
        name=row.name, uses=min(int(row.uses), types.INT_MAX), last_used_at=row.last_used_at,
        client_app=await _sender(info, row),
    )  # fmt: skip


async def _sender(info: Info, row: Any) -> Any:
    return None if row.client_app_id == FIRST_PARTY else await info.context.reads.one("ClientApp", row.client_app_id)


@strawberry.type
class IntegrationMutations:
    @strawberry.mutation(description="Make a client application.")
    @refusals_as(types.ClientAppCreatePayload)
    async def client_app_create(self, info: Info, input: types.ClientAppCreateInput) -> types.ClientAppCreatePayload:
        actor = info.context.actor
        async with info.context.services.units(actor.tenant_id) as uow:
            app = await domain.create_client_app(uow.integrations, actor, _draft(input))
            await audited(info, uow, "client_app.create", ("ClientApp", app.id), _decided(input))
        info.context.services.forget_documents()
        return types.ClientAppCreatePayload(client_app=await fresh(info, "ClientApp", app.id))

    @strawberry.mutation(description="Change a client application: its tokens are held to the new terms at once.")
    @refusals_as(types.ClientAppUpdatePayload)
    async def client_app_update(self, info: Info, input: types.ClientAppUpdateInput) -> types.ClientAppUpdatePayload:
        actor, app_id = info.context.actor, _app_id(input.id)
        async with info.context.services.units(actor.tenant_id) as uow:
            await domain.update_client_app(uow.integrations, actor, app_id, _draft(input), uow.now)
            await audited(info, uow, "client_app.update", ("ClientApp", app_id), _decided(input))
        _forget(info)
        return types.ClientAppUpdatePayload(client_app=await fresh(info, "ClientApp", app_id))

    @strawberry.mutation(description="Delete a client application. Its tokens are revoked.")
    @refusals_as(types.ClientAppDeletePayload)
    async def client_app_delete(self, info: Info, input: types.ClientAppDeleteInput) -> types.ClientAppDeletePayload:
        actor, app_id = info.context.actor, _app_id(input.id)
        async with info.context.services.units(actor.tenant_id) as uow:
            await domain.delete_client_app(uow.integrations, actor, app_id, uow.now)
            await audited(info, uow, "client_app.delete", ("ClientApp", app_id))
        _forget(info)
        return types.ClientAppDeletePayload(deleted_id=input.id)

    @strawberry.mutation(description="Put documents into a client application's registry. The good ones go in at once.")
    @refusals_as(types.TrustedDocumentsRegisterPayload)
    async def trusted_documents_register(
        self, info: Info, input: types.TrustedDocumentsRegisterInput
    ) -> types.TrustedDocumentsRegisterPayload:
        actor, services = info.context.actor, info.context.services
        app_id = _app_id(input.client_app_id, "clientAppId")
        documents = [Submitted(one.hash, one.text) for one in input.documents]
        domain.check_registration(actor, documents)
        good, bad = await asyncio.to_thread(domain.measured_all, documents, services.measure)
        async with services.units(actor.tenant_id) as uow:
            await domain.register_documents(uow.integrations, actor, app_id, good)
            await audited(info, uow, "trusted_document.register", ("ClientApp", app_id), {"documents": len(good)})
        services.forget_documents()
        return types.TrustedDocumentsRegisterPayload(
            registered=len(good),
            rejected=_rejections(bad),
            client_app=await fresh(info, "ClientApp", app_id),
        )

    @strawberry.mutation(description="Retire a trusted document: it cannot be used any more.")
    @refusals_as(types.TrustedDocumentRetirePayload)
    async def trusted_document_retire(
        self, info: Info, input: types.TrustedDocumentRetireInput
    ) -> types.TrustedDocumentRetirePayload:
        actor = info.context.actor
        document_id = DocumentId(decode_id("TrustedDocument", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            await domain.retire_document(uow.integrations, actor, document_id, uow.now)
            await audited(info, uow, "trusted_document.retire", ("TrustedDocument", document_id))
        info.context.services.forget_documents()
        return types.TrustedDocumentRetirePayload(trusted_document=await fresh(info, "TrustedDocument", document_id))


def _forget(info: Info) -> None:
    info.context.services.forget_standing()
    info.context.services.forget_documents()


def _draft(input: types.ClientAppCreateInput | types.ClientAppUpdateInput) -> ClientAppDraft:
    return ClientAppDraft(input.name, input.mode, input.allowed_origins, input.scopes, input.cost_budget)


def _decided(input: types.ClientAppCreateInput | types.ClientAppUpdateInput) -> dict[str, Any]:
    """The parts of an application that a person has named, as they go into the audit log."""
    return {name: value for name, value in dataclasses.asdict(_draft(input)).items() if value is not None}


def _rejections(rejected: Sequence[domain.Rejection]) -> list[types.DocumentRejection]:
    return [types.DocumentRejection(hash=one.hash, reason=one.reason) for one in rejected]
