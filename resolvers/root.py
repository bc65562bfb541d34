"""The schema's roots, put together from the rooms."""

import asyncio
from typing import Annotated, Any

import strawberry
from strawberry.tools import merge_types

from domain.accounts import Permission
from domain.errors import ErrorCode, Rejected
from persistence.paging import PAGE_MAX
from resolvers.accounts import AccountMutations, AccountQueries
from resolvers.assistants import AssistantMutations, AssistantQueries, MarketMutations
from resolvers.billing import BillingMutations, BillingQueries
from resolvers.budgets import BudgetMutations, BudgetQueries
from resolvers.channels import ChannelMutations, ChannelQueries, ChannelSubscriptions
from resolvers.conversations import (
    ConversationMutations,
    ConversationQueries,
    ConversationSubscriptions,
    GroupMutations,
    MessageMutations,
    SharedQueries,
    ShareMutations,
)
from resolvers.files import FileMutations, FileQueries
from resolvers.generation import GenerationMutations, GenerationQueries, GenerationSubscriptions
from resolvers.integrations import IntegrationMutations, IntegrationQueries
from resolvers.invoices import InvoiceMutations, InvoiceQueries
from resolvers.jobs import JobMutations, JobQueries
from resolvers.knowledge import DocumentMutations, KnowledgeMutations, KnowledgeQueries, KnowledgeSubscriptions
from resolvers.knowledge_search import KnowledgeSearchQueries
from resolvers.operations import OperationsMutations, OperationsQueries, WebhookMutations
from resolvers.payments import PaymentMutations, PaymentQueries
from resolvers.plans import CouponMutations, PlanMutations, PlanQueries
from resolvers.projects import OutlineMutations, ProjectMutations, ProjectQueries, TextMutations
from resolvers.story import StoryMutations
from resolvers.usage_meter import UsageSubscriptions
from schema.base import CONFIG, Node
from schema.context import Info
from schema.conversations.events import CONVERSATION_EVENT_TYPES
from schema.cost import with_described_directives
from schema.events import EVENT_TYPES
from schema.ids import split_id
from schema.knowledge import DocumentDeleted, DocumentProgressed


@strawberry.type
class NodeQueries:
    @strawberry.field(description="Anything by its global id; null when it is missing or not yours.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="A global id.")]
    ) -> Node | None:
        return await _node(info, id)

    @strawberry.field(description="Many things by their global ids, in the order asked; at most 100.")
    async def nodes(
        self, info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids, at most 100.")],
    ) -> list[Node | None]:  # fmt: skip
        if len(ids) > PAGE_MAX:
            raise Rejected(ErrorCode.BAD_USER_INPUT, f"At most {PAGE_MAX} ids at a time.", "ids")
        return list(await asyncio.gather(*(_node(info, id) for id in ids)))


GUARDED = {"WebhookDelivery": Permission.ADMIN, "WebhookEndpoint": Permission.ADMIN}
"""Types whose things are read with another right than the usual one; without it they are missing."""


async def _node(info: Info, id: strawberry.ID) -> Any:
    type_name, value = split_id(id)
    right = GUARDED.get(type_name)
    if right is not None and right not in info.context.actor.permissions:
        return None
    return await info.context.reader().one(type_name, value)


Query = merge_types(
    "Query",
    (
        NodeQueries,
        AccountQueries,
        ProjectQueries,
        GenerationQueries,
        ConversationQueries,
        SharedQueries,
        ChannelQueries,
        JobQueries,
        IntegrationQueries,
        BillingQueries,
        BudgetQueries,
        PlanQueries,
        InvoiceQueries,
        PaymentQueries,
        OperationsQueries,
        KnowledgeSearchQueries,
        FileQueries,
        KnowledgeQueries,
        AssistantQueries,
    ),
)
Mutation = merge_types(
    "Mutation",
    (
        AccountMutations,
        ProjectMutations,
        OutlineMutations,
        TextMutations,
        StoryMutations,
        GenerationMutations,
        ConversationMutations,
        GroupMutations,
        MessageMutations,
        ShareMutations,
        ChannelMutations,
        JobMutations,
        IntegrationMutations,
        BillingMutations,
        BudgetMutations,
        PlanMutations,
        CouponMutations,
        InvoiceMutations,
        PaymentMutations,
        OperationsMutations,
        WebhookMutations,
        FileMutations,
        KnowledgeMutations,
        DocumentMutations,
        AssistantMutations,
        MarketMutations,
    ),
)
Subscription = merge_types(
    "Subscription",
    (
        GenerationSubscriptions,
        ConversationSubscriptions,
        ChannelSubscriptions,
        UsageSubscriptions,
        KnowledgeSubscriptions,
    ),
)


def _describe(root: Any, description: str) -> None:
    """Say what a root is for; an `input` is what its type says it is."""
    root.__strawberry_definition__.description = description
    for field in root.__strawberry_definition__.fields:
        for argument in field.arguments:
            if argument.python_name == "input":
                argument.description = argument.type.__strawberry_definition__.description


_describe(Query, "What can be read. A list is a connection; anything with an id can be fetched again with `node`.")
_describe(Mutation, "What can be changed. Each takes one `input`, and answers with what it changed or why it did not.")
_describe(Subscription, "What can be watched, over WebSocket or server-sent events, and resumed after any event.")


USUAL = {"Query": Permission.READ, "Mutation": Permission.WRITE, "Subscription": Permission.READ}
UNUSUAL: dict[str, Permission | None] = {
    "register": None,
    "login": None,
    "refresh": None,
    "logout": None,
    "me": None,
    "apiTokens": Permission.ADMIN,
    "apiTokenCreate": Permission.ADMIN,
    "apiTokenRevoke": Permission.ADMIN,
    "clientApps": Permission.ADMIN,
    "clientAppCreate": Permission.ADMIN,
    "clientAppUpdate": Permission.ADMIN,
    "clientAppDelete": Permission.ADMIN,
    "trustedDocumentsRegister": Permission.ADMIN,
    "trustedDocumentRetire": Permission.ADMIN,
    "schemaUsage": Permission.ADMIN,
    "channelCreate": Permission.ADMIN,
    "channelUpdate": Permission.ADMIN,
    "channelDelete": Permission.ADMIN,
    "channelTest": Permission.ADMIN,
    "routingPolicySet": Permission.ADMIN,
    "operationExplain": Permission.PLATFORM,
    "auditEntries": Permission.ADMIN,
    "webhookEndpoints": Permission.ADMIN,
    "webhookEndpointCreate": Permission.ADMIN,
    "webhookEndpointUpdate": Permission.ADMIN,
    "webhookEndpointDelete": Permission.ADMIN,
    "webhookEndpointRotateSecret": Permission.ADMIN,
    "webhookEndpointTest": Permission.ADMIN,
    "webhookRedeliver": Permission.ADMIN,
    "notificationRead": Permission.READ,
    "chapterGenerate": Permission.GENERATE,
    "messageSend": Permission.GENERATE,
    "messageEdit": Permission.GENERATE,
    "messageRegenerate": Permission.GENERATE,
    "sharedConversation": None,
    "conversationShares": Permission.ADMIN,
    "generationCancel": Permission.GENERATE,
    "jobRetry": Permission.GENERATE,
    "jobCancel": Permission.GENERATE,
    "queuePause": Permission.PLATFORM,
    "queueResume": Permission.PLATFORM,
    "workers": Permission.PLATFORM,
    "schedules": Permission.PLATFORM,
    "ledgerEntries": Permission.BILLING,
    "usage": Permission.BILLING,
    "usageRecords": Permission.BILLING,
    "usageExport": Permission.BILLING,
    "usageMeter": Permission.BILLING,
    "creditTopUp": Permission.BILLING,
    "payments": Permission.BILLING,
    "paymentMethods": Permission.BILLING,
    "automaticTopUp": Permission.BILLING,
    "paymentMethodRemove": Permission.BILLING,
    "automaticTopUpSet": Permission.BILLING,
    "paymentRefund": Permission.PLATFORM,
    "statementReconcile": Permission.BILLING,
    "budgets": Permission.BILLING,
    "budgetSet": Permission.BILLING,
    "budgetDelete": Permission.BILLING,
    "walletAlert": Permission.BILLING,
    "walletAlertSet": Permission.BILLING,
    "invoices": Permission.BILLING,
    "invoicePdf": Permission.BILLING,
    "billingDetails": Permission.BILLING,
    "billingDetailsSet": Permission.BILLING,
    "invoicePay": Permission.BILLING,
    "creditNoteIssue": Permission.PLATFORM,
    "creditAdjust": Permission.PLATFORM,
    "entryReverse": Permission.PLATFORM,
    "priceImport": Permission.PLATFORM,
    "coupons": Permission.PLATFORM,
    "planCreate": Permission.PLATFORM,
    "planVersionCreate": Permission.PLATFORM,
    "planArchive": Permission.PLATFORM,
    "couponCreate": Permission.PLATFORM,
    "couponDisable": Permission.PLATFORM,
    "planSubscribe": Permission.BILLING,
    "subscriptionChange": Permission.BILLING,
    "subscriptionCancel": Permission.BILLING,
    "subscriptionResume": Permission.BILLING,
    "couponRedeem": Permission.BILLING,
    "assistantPublishPreview": Permission.WRITE,
    "assistantReact": Permission.READ,
    "assistantRate": Permission.READ,
    "assistantInstall": Permission.READ,
    "assistantUninstall": Permission.READ,
    "assistantReport": Permission.READ,
}
"""The root fields that ask for another right than the usual one of their root. None: for anybody."""


def needed(coordinate: str) -> Permission | None:
    """The right that a field such as `Mutation.projectCreate` asks for; None where it asks for none of its own."""
    root, _, name = coordinate.partition(".")
    usual = USUAL.get(root)
    return UNUSUAL.get(name, usual) if usual is not None else None


def build_schema() -> strawberry.Schema:
    return with_described_directives(
        strawberry.Schema(
            query=Query,
            mutation=Mutation,
            subscription=Subscription,
            types=[*EVENT_TYPES, DocumentDeleted, DocumentProgressed, *CONVERSATION_EVENT_TYPES],
            config=CONFIG,
        )
    )
