"""Identifiers. Every row's id is a UUIDv7: it sorts by creation time, so keyset pages and indexes stay local."""

from __future__ import annotations

import os
import time
from typing import NewType
from uuid import UUID

TenantId = NewType("TenantId", UUID)
UserId = NewType("UserId", UUID)
SessionId = NewType("SessionId", UUID)
ApiTokenId = NewType("ApiTokenId", UUID)
ProjectId = NewType("ProjectId", UUID)
NodeId = NewType("NodeId", UUID)
VersionId = NewType("VersionId", UUID)
EntryId = NewType("EntryId", UUID)
RelationId = NewType("RelationId", UUID)
GenerationId = NewType("GenerationId", UUID)
JobId = NewType("JobId", UUID)
ChannelId = NewType("ChannelId", UUID)
ClientAppId = NewType("ClientAppId", UUID)
DocumentId = NewType("DocumentId", UUID)
PriceId = NewType("PriceId", UUID)
LedgerEntryId = NewType("LedgerEntryId", UUID)
GrantId = NewType("GrantId", UUID)
BudgetId = NewType("BudgetId", UUID)
InvoiceId = NewType("InvoiceId", UUID)
InvoiceItemId = NewType("InvoiceItemId", UUID)
CreditNoteId = NewType("CreditNoteId", UUID)
PaymentId = NewType("PaymentId", UUID)
RefundId = NewType("RefundId", UUID)
PaymentMethodId = NewType("PaymentMethodId", UUID)
NotificationId = NewType("NotificationId", UUID)
MailId = NewType("MailId", UUID)
EndpointId = NewType("EndpointId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
PlanId = NewType("PlanId", UUID)
PlanVersionId = NewType("PlanVersionId", UUID)
SubscriptionId = NewType("SubscriptionId", UUID)
CouponId = NewType("CouponId", UUID)
RedemptionId = NewType("RedemptionId", UUID)
KnowledgeBaseId = NewType("KnowledgeBaseId", UUID)
SourceDocumentId = NewType("SourceDocumentId", UUID)
ChunkId = NewType("ChunkId", UUID)
FileId = NewType("FileId", UUID)
ConversationId = NewType("ConversationId", UUID)
GroupId = NewType("GroupId", UUID)
MessageId = NewType("MessageId", UUID)
CitationId = NewType("CitationId", UUID)
ShareId = NewType("ShareId", UUID)
AssistantVersionId = NewType("AssistantVersionId", UUID)
UploadId = NewType("UploadId", UUID)
AssistantId = NewType("AssistantId", UUID)


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
