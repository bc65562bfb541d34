"""Operations made from the schema itself: every root field, with arguments that name real things.

A field that takes an id which nobody has said the kind of, or a value of a new scalar, stops the walk: it cannot be
forgotten. Selections take in everything within LEVELS_MAX levels, without passing a type twice on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from tests.graphql.studio import MARKER

KINDS = {
    "node.id": "Project",
    "nodes.ids": "Project",
    "search.projectId": "Project",
    "login.input.tenant": "Tenant",
    "apiTokenRevoke.input.id": "ApiToken",
    "projectUpdate.input.id": "Project",
    "projectDelete.input.id": "Project",
    "projectRestore.input.id": "Project",
    "outlineNodeCreate.input.projectId": "Project",
    "outlineNodeCreate.input.parentId": "OutlineNode",
    "outlineNodeCreate.input.afterId": None,
    "outlineNodeUpdate.input.id": "OutlineNode",
    "outlineNodeMove.input.id": "Chapter",
    "outlineNodeMove.input.parentId": "OutlineNode",
    "outlineNodeMove.input.afterId": None,
    "outlineNodeDelete.input.id": "OutlineNode",
    "chapterCreate.input.projectId": "Project",
    "chapterCreate.input.parentId": "OutlineNode",
    "chapterCreate.input.afterId": None,
    "chapterUpdate.input.id": "Chapter",
    "chapterTextUpdate.input.chapterId": "Chapter",
    "chapterTextUpdate.input.baseVersionId": "CurrentVersion",
    "chapterVersionAccept.input.versionId": "TextVersion",
    "chapterVersionAccept.input.baseVersionId": None,
    "chapterVersionReject.input.versionId": "TextVersion",
    "codexEntryCreate.input.projectId": "Project",
    "codexEntryUpdate.input.id": "CodexEntry",
    "codexEntryDelete.input.id": "CodexEntry",
    "codexRelationCreate.input.fromId": "CodexEntry",
    "codexRelationCreate.input.toId": "CodexEntry",
    "codexRelationDelete.input.id": "CodexRelation",
    "chapterGenerate.input.chapterId": "Chapter",
    "chapterGenerate.input.channelId": None,
    "generationCancel.input.id": "Generation",
    "conversation.id": "Conversation",
    "conversationExport.id": "Conversation",
    "conversationEvents.id": "Conversation",
    "conversationCreate.input.knowledgeBaseIds": None,
    "conversationCreate.input.groupId": "ConversationGroup",
    "conversationCreate.input.projectId": "Project",
    "conversationCreate.input.channelId": None,
    "conversationCreate.input.assistantId": None,
    "conversationCreate.input.assistantVersionId": None,
    "conversationUpdate.input.id": "Conversation",
    "conversationUpdate.input.knowledgeBaseIds": None,
    "conversationUpdate.input.groupId": None,
    "conversationUpdate.input.channelId": None,
    "conversationDelete.input.id": "Conversation",
    "conversationRestore.input.id": "Conversation",
    "conversationSwitch.input.conversationId": "Conversation",
    "conversationSwitch.input.messageId": "Message",
    "conversationGroupRename.input.id": "ConversationGroup",
    "conversationGroupReorder.input.id": "ConversationGroup",
    "conversationGroupReorder.input.afterId": None,
    "conversationGroupDelete.input.id": "ConversationGroup",
    "conversationShareCreate.input.conversationId": "Conversation",
    "conversationShareCreate.input.leafId": None,
    "conversationShareRevoke.input.id": "ConversationShare",
    "messageSend.input.conversationId": "Conversation",
    "messageSend.input.parentId": None,
    "messageSend.input.parts.fileId": None,
    "messageEdit.input.messageId": "Message",
    "messageEdit.input.parts.fileId": None,
    "messageRegenerate.input.messageId": "Answer",
    "messageDelete.input.id": "Message",
    "jobRetry.input.id": "FailedJob",
    "jobCancel.input.id": "Job",
    "apiTokenCreate.input.clientAppId": "ClientApp",
    "clientAppUpdate.input.id": "ClientApp",
    "clientAppDelete.input.id": "ClientApp",
    "trustedDocumentsRegister.input.clientAppId": "ClientApp",
    "trustedDocumentRetire.input.id": "TrustedDocument",
    "schemaUsage.clientAppId": None,
    "creditAdjust.input.tenantId": "Tenant",
    "entryReverse.input.tenantId": "Tenant",
    "entryReverse.input.id": "LedgerEntry",
    "planVersionCreate.input.planId": "Plan",
    "planArchive.input.id": "Plan",
    "planSubscribe.input.planId": "Plan",
    "subscriptionChange.input.planId": "Plan",
    "subscriptionResume.input.id": "PlanSubscription",
    "couponCreate.input.planIds": None,
    "couponDisable.input.id": "Coupon",
    "invoicePdf.id": "Invoice",
    "invoicePay.input.invoiceId": "Invoice",
    "creditNoteIssue.input.invoiceId": "Invoice",
    "creditNoteIssue.input.tenantId": "Tenant",
    "paymentMethodRemove.input.id": "PaymentMethod",
    "paymentRefund.input.paymentId": "Payment",
    "paymentRefund.input.tenantId": "Tenant",
    "channelUpdate.input.id": "Channel",
    "channelDelete.input.id": "Channel",
    "channelTest.input.id": "Channel",
    "channelHealth.channelIds": None,
    "routingPolicySet.input.policy.excluded": None,
    "auditEntries.subjectId": None,
    "budgetSet.input.memberId": None,
    "budgetSet.input.tokenId": None,
    "budgetDelete.input.id": "Budget",
    "notificationRead.input.ids": "Notification",
    "webhookEndpointUpdate.input.id": "WebhookEndpoint",
    "webhookEndpointDelete.input.id": "WebhookEndpoint",
    "webhookEndpointRotateSecret.input.id": "WebhookEndpoint",
    "webhookEndpointTest.input.id": "WebhookEndpoint",
    "webhookRedeliver.input.id": "WebhookDelivery",
    "uploadComplete.input.uploadId": "Upload",
    "fileDelete.input.id": "File",
    "estimateGeneration.input.chapterId": "Chapter",
    "estimateGeneration.input.channelId": None,
    "knowledgeBaseCreate.input.projectId": None,
    "knowledgeBaseUpdate.input.id": "KnowledgeBase",
    "knowledgeBaseDelete.input.id": "KnowledgeBase",
    "documentCreate.input.knowledgeBaseId": "KnowledgeBase",
    "documentCreate.input.fileId": None,
    "documentReingest.input.id": "Document",
    "documentUpdate.input.id": "Document",
    "documentDelete.input.id": "Document",
    "chunkUpdate.input.id": "Chunk",
    "knowledgeSearch.input.knowledgeBaseIds": "KnowledgeBase",
    "knowledgeSearch.input.documentIds": "Document",
    "documentProgress.knowledgeBaseId": "KnowledgeBase",
    "generationEvents.id": "Generation",
    "jobEvents.id": "Job",
    "assistantPublishPreview.input.assistantId": "Assistant",
    "assistantUpdate.input.id": "Assistant",
    "assistantDelete.input.id": "Assistant",
    "assistantVersionCreate.input.assistantId": "Assistant",
    "assistantVersionCreate.input.knowledgeBaseIds": None,
    "assistantPublish.input.assistantId": "Assistant",
    "assistantUnpublish.input.assistantId": "Assistant",
    "assistantReact.input.assistantId": "Assistant",
    "assistantRate.input.assistantId": "Assistant",
    "assistantInstall.input.assistantId": "Assistant",
    "assistantUninstall.input.assistantId": "Assistant",
    "assistantReport.input.assistantId": "Assistant",
}
"""What kind of thing each id names. None: left out when a field is asked rightly, still tried with strangers' ids."""
NARROWING = {"action", "after", "filter", "orderBy", "tags", "from", "to", "field", "fallback"}
"""What would make a list show less, and what would never end: left out."""
SCALARS: dict[str, Any] = {
    "String": "sample",
    "Int": 5,
    "Float": 1.0,
    "Boolean": False,
    "Decimal": "5.00",
    "DateTime": "2999-01-01T00:00:00Z",
    "TokenCount": 5,
    "JSON": {},
}
TEXTS = {
    "query": MARKER,
    "search": MARKER,
    "email": "sample@example.org",
    "password": "sample password",
    "language": "en",
    "locale": "en",
    "url": "https://sample.example/hooks",
    "model": "demo-writer",
}
LISTS = {"scopes": ["read"]}

LEVELS_MAX = 4


class Unknown(Exception):
    """The walk has no value for an argument."""


@dataclass(frozen=True)
class Operation:
    """One root field, asked for everything."""

    kind: str
    field: str
    query: str
    variables: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.kind} {self.field}({self.variables})"


IdOf = Callable[[str, "str | None"], "str | None"]
"""From the path of an id, and the kind of thing it names, to the id to send; None leaves it out."""


@dataclass(frozen=True)
class Walker:
    schema: GraphQLSchema

    def fields(self) -> Iterator[tuple[str, str]]:
        """(query, mutation or subscription; name) of every root field."""
        for kind, root in self._roots().items():
            for name in root.fields:
                yield kind, name

    def operation(self, kind: str, name: str, id_of: IdOf) -> Operation:
        field = self._roots()[kind].fields[name]
        variables: dict[str, Any] = {}
        for argument, definition in field.args.items():
            value = self._value(f"{name}.{argument}", argument, definition, id_of)
            if value is not Undefined:
                variables[argument] = value
        declared = ", ".join(f"${argument}: {field.args[argument].type}" for argument in variables)
        passed = ", ".join(f"{argument}: ${argument}" for argument in variables)
        head = f"{kind} ({declared})" if declared else kind
        call = f"{name}({passed})" if passed else name
        return Operation(
            kind, name, f"{head} {{ {call} {self._selection(get_named_type(field.type), ())} }}", variables
        )

    def rightly(self, kind: str, name: str, ids: Mapping[str, str]) -> Operation:
        """The field asked as its author meant it, about these things."""
        return self.operation(kind, name, lambda _path, of: ids[of] if of is not None else None)

    def takes_ids(self, kind: str, name: str) -> bool:
        asked: list[str] = []
        self.operation(kind, name, lambda path, _of: asked.append(path))
        return bool(asked)

    def _roots(self) -> dict[str, GraphQLObjectType]:
        schema = self.schema
        assert schema.query_type and schema.mutation_type and schema.subscription_type
        return {"query": schema.query_type, "mutation": schema.mutation_type, "subscription": schema.subscription_type}

    # -- arguments ------------------------------------------------------------------------------------------------

    def _value(self, path: str, name: str, definition: GraphQLArgument | GraphQLInputField, id_of: IdOf) -> Any:
        type_ = get_named_type(definition.type)
        listed = isinstance(getattr(definition.type, "of_type", definition.type), GraphQLList)
        if type_.name == "ID":
            value: Any = self._id(path, id_of)
        elif name in NARROWING:
            return Undefined
        elif name in LISTS:
            return LISTS[name]
        else:
            value = self._sample(path, name, type_, id_of)
        return [value] if listed and value is not Undefined else value

    def _id(self, path: str, id_of: IdOf) -> Any:
        if path not in KINDS:
            raise Unknown(f"say in KINDS what {path} names")
        found = id_of(path, KINDS[path])
        return Undefined if found is None else found

    def _sample(self, path: str, name: str, type_: GraphQLNamedType, id_of: IdOf) -> Any:
        if isinstance(type_, GraphQLEnumType):
            return next(iter(type_.values))
        if isinstance(type_, GraphQLInputObjectType):
            values = {part: self._value(f"{path}.{part}", part, inner, id_of) for part, inner in type_.fields.items()}
            return {part: value for part, value in values.items() if value is not Undefined}
        if type_.name not in SCALARS:
            raise Unknown(f"say in SCALARS what a {type_.name} for {path} looks like")
        return TEXTS.get(name, SCALARS[type_.name])

    # -- selections -----------------------------------------------------------------------------------------------

    def _selection(self, type_: GraphQLNamedType, inside: tuple[str, ...], prefix: str = "") -> str:
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            possible = self.schema.get_possible_types(type_)
            parts = [f"... on {one.name} {self._selection(one, inside, f'{one.name}_')}" for one in possible
                     if one.name not in inside]  # fmt: skip
        else:
            assert isinstance(type_, GraphQLObjectType)
            parts = [*self._fields(type_, (*inside, type_.name), prefix)]
        return f"{{ __typename {' '.join(parts)} }}"

    def _fields(self, type_: GraphQLObjectType, inside: tuple[str, ...], prefix: str) -> Iterator[str]:
        """Every field that needs no argument. In a fragment each has an alias of its own: types may differ."""
        for name, field in type_.fields.items():
            if any(is_required_argument(argument) for argument in field.args.values()):
                raise Unknown(f"{type_.name}.{name} needs an argument, which no field but a root's has so far")
            target = get_named_type(field.type)
            shown = f"{prefix}{name}: {name}" if prefix else name
            if is_leaf_type(target):
                yield shown
            elif target.name not in inside and len(inside) < LEVELS_MAX:
                yield f"{shown} {self._selection(target, inside)}"
