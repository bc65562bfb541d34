"""The ports of a unit of work, in memory: every rule of the stores and of the database, and no I/O.

What the database refuses by constraint or trigger is refused here by ValueError: a test that meets one has found
a use case that would have failed in production.
"""

from __future__ import annotations

from domain.ids import TenantId, new_id
from tests.domain.memory.accounts import MemoryAccounts
from tests.domain.memory.assistants import MemoryAssistants
from tests.domain.memory.billing import MemoryBilling
from tests.domain.memory.channels import MemoryChannels
from tests.domain.memory.clock import NOW
from tests.domain.memory.conversations import MemoryConversations
from tests.domain.memory.feeds import MemoryFeeds
from tests.domain.memory.files import MemoryFiles
from tests.domain.memory.generation import MemoryGeneration
from tests.domain.memory.integrations import MemoryIntegrations
from tests.domain.memory.invoices import MemoryInvoices
from tests.domain.memory.jobs import MemoryJobs
from tests.domain.memory.knowledge import MemoryIndexes, MemoryKnowledge
from tests.domain.memory.operations import MemoryAudit, MemoryMails, MemoryNotifications, MemoryWebhooks
from tests.domain.memory.payments import MemoryPayments
from tests.domain.memory.plans import MemoryCoupons, MemoryPlans
from tests.domain.memory.projects import MemoryProjects
from tests.domain.memory.story import MemoryStory

__all__ = ["NOW", "MemoryBilling", "MemoryUnitOfWork"]


class MemoryUnitOfWork:
    """Implements `domain.unit_of_work.UnitOfWork`. Nothing is rolled back: a test looks at one use case."""

    def __init__(self) -> None:
        self.tenant_id = TenantId(new_id())
        self.now = NOW
        self.accounts = MemoryAccounts()
        self.projects = MemoryProjects()
        self.story = MemoryStory()
        self.jobs = MemoryJobs(self.tenant_id)
        self.channels = MemoryChannels(self.tenant_id)
        self.generation = MemoryGeneration()
        self.knowledge = MemoryKnowledge()
        self.indexes = MemoryIndexes(self.knowledge)
        self.billing = MemoryBilling()
        self.invoices = MemoryInvoices()
        self.plans = MemoryPlans()
        self.coupons = MemoryCoupons()
        self.payments = MemoryPayments(self.billing)
        self.integrations = MemoryIntegrations(self.tenant_id, self.accounts)
        self.audit = MemoryAudit()
        self.notifications = MemoryNotifications()
        self.mails = MemoryMails()
        self.webhooks = MemoryWebhooks()
        self.feeds = MemoryFeeds()
        self.conversations = MemoryConversations(self.generation)
        self.files = MemoryFiles()
        self.assistants = MemoryAssistants()
