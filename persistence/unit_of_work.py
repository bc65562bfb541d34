"""The unit of work over one AsyncSession. Nothing else commits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.ids import TenantId
from persistence.accounts.store import SqlAccounts
from persistence.assistants.store import SqlAssistants
from persistence.billing.store import SqlBilling
from persistence.channels.store import SqlChannels
from persistence.conversations.store import SqlConversations
from persistence.database import is_outage
from persistence.feeds.store import SqlFeeds
from persistence.files.store import SqlFiles
from persistence.generation.store import SqlGeneration
from persistence.integrations.store import SqlIntegrations
from persistence.invoices.store import SqlInvoices
from persistence.jobs.store import SqlJobs
from persistence.knowledge.indexes import SqlIndexes
from persistence.knowledge.store import SqlKnowledge
from persistence.operations.store import SqlAudit, SqlMails, SqlNotifications, SqlWebhooks
from persistence.payments.store import SqlPayments
from persistence.plans.coupons import SqlCoupons
from persistence.plans.store import SqlPlans
from persistence.projects.store import SqlProjects
from persistence.story.store import SqlStory

Ring = Callable[[UUID], Awaitable[None]]

_BEGIN = text("select set_config('app.tenant_id', :tenant, true), now()")


class SqlUnitOfWork:
    """Implements `domain.unit_of_work.UnitOfWork`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId, now: datetime) -> None:
        self.tenant_id = tenant_id
        self.now = now
        self.accounts = SqlAccounts(session, tenant_id)
        self.projects = SqlProjects(session, tenant_id)
        self.story = SqlStory(session, tenant_id)
        self.jobs = SqlJobs(session, tenant_id)
        self.channels = SqlChannels(session, tenant_id)
        self.generation = SqlGeneration(session, tenant_id)
        self.knowledge = SqlKnowledge(session, tenant_id)
        self.indexes = SqlIndexes(session, tenant_id)
        self.billing = SqlBilling(session, tenant_id, now)
        self.plans = SqlPlans(session, tenant_id, now)
        self.coupons = SqlCoupons(session, tenant_id, now)
        self.invoices = SqlInvoices(session, tenant_id)
        self.payments = SqlPayments(session, tenant_id)
        self.integrations = SqlIntegrations(session, tenant_id)
        self.audit = SqlAudit(session)
        self.notifications = SqlNotifications(session, tenant_id)
        self.mails = SqlMails(session, tenant_id)
        self.webhooks = SqlWebhooks(session, tenant_id)
        self.feeds = SqlFeeds(session, tenant_id)
        self.conversations = SqlConversations(session, tenant_id)
        self.files = SqlFiles(session, tenant_id)
        self.assistants = SqlAssistants(session, tenant_id)


class Units:
    """Opens units of work on the application role's engine.

    `moved` is told whose money a commit has moved, `fed` which feeds have grown by it.
    """

    def __init__(self, engine: AsyncEngine, moved: Ring | None = None, fed: Ring | None = None) -> None:
        self._engine = engine
        self._moved = moved
        self._fed = fed

    @asynccontextmanager
    async def __call__(self, tenant_id: TenantId) -> AsyncIterator[SqlUnitOfWork]:
        session, now = await self._begin(tenant_id)
        async with session:
            uow = SqlUnitOfWork(session, tenant_id, now)
            yield uow
            await session.commit()
        if uow.billing.moved and self._moved is not None:
            await self._moved(tenant_id)
        if self._fed is not None:
            for feed_id in uow.feeds.grown:
                await self._fed(feed_id)

    async def _begin(self, tenant_id: TenantId, *, again: bool = True) -> tuple[AsyncSession, datetime]:
        """A transaction inside the tenant. A connection that broke while it lay in the pool is replaced, once."""
        session = AsyncSession(self._engine, expire_on_commit=False, autoflush=True)
        try:
            now = (await session.execute(_BEGIN, {"tenant": str(tenant_id)})).one()[1]
        except DBAPIError as error:
            await session.close()
            if not again or not is_outage(error):
                raise
            return await self._begin(tenant_id, again=False)
        return session, now
