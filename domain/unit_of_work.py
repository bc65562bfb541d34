"""The unit of work: one tenant, one transaction, and the only code that commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, TypeVar

from domain.accounts import AccountStore
from domain.assistants.store import AssistantStore
from domain.billing import BillingStore
from domain.channels.service import ChannelStore
from domain.conversations.store import ConversationStore
from domain.feeds import FeedStore
from domain.files.store import FileStore
from domain.generation.store import GenerationStore
from domain.ids import TenantId
from domain.integrations import IntegrationStore
from domain.invoices.store import InvoiceStore
from domain.jobs import JobStore
from domain.knowledge.indexes import IndexStore
from domain.knowledge.store import KnowledgeStore
from domain.operations.audit import AuditStore
from domain.operations.mails import MailStore
from domain.operations.notifications import NotificationStore
from domain.operations.webhooks import WebhookStore
from domain.payments.store import PaymentStore
from domain.plans.store import CouponStore, PlanStore
from domain.projects.store import ProjectStore
from domain.story import StoryStore

T = TypeVar("T")


class UnitOfWork(Protocol):
    """Rooms of one open transaction. Leaving it normally commits; an exception rolls all of it back."""

    @property
    def tenant_id(self) -> TenantId: ...
    @property
    def now(self) -> datetime:
        """The transaction's time, from the database."""
        ...

    @property
    def accounts(self) -> AccountStore: ...
    @property
    def projects(self) -> ProjectStore: ...
    @property
    def story(self) -> StoryStore: ...
    @property
    def jobs(self) -> JobStore: ...
    @property
    def channels(self) -> ChannelStore: ...
    @property
    def generation(self) -> GenerationStore: ...
    @property
    def knowledge(self) -> KnowledgeStore: ...
    @property
    def indexes(self) -> IndexStore: ...
    @property
    def billing(self) -> BillingStore: ...
    @property
    def plans(self) -> PlanStore: ...
    @property
    def coupons(self) -> CouponStore: ...
    @property
    def invoices(self) -> InvoiceStore: ...
    @property
    def payments(self) -> PaymentStore: ...
    @property
    def integrations(self) -> IntegrationStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def notifications(self) -> NotificationStore: ...
    @property
    def mails(self) -> MailStore: ...
    @property
    def files(self) -> FileStore: ...
    @property
    def webhooks(self) -> WebhookStore: ...
    @property
    def feeds(self) -> FeedStore: ...
    @property
    def conversations(self) -> ConversationStore: ...
    @property
    def assistants(self) -> AssistantStore: ...


OpenUnitOfWork = Callable[[TenantId], AbstractAsyncContextManager[UnitOfWork]]


async def whole(action: Coroutine[Any, Any, T]) -> T:
    """Do it to its end, also when the task is cancelled meanwhile: then CancelledError is raised behind it."""
    doing = asyncio.ensure_future(action)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise
