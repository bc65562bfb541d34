"""What resolvers share within a process. `app` builds it; a context carries it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from domain.accounts import PasswordHasher, Session, User
from domain.channels.entities import Channel, ChannelModel
from domain.channels.service import Keeper, Trial
from domain.files.blobs import BlobStore
from domain.files.desk import FileDesk
from domain.files.links import FileLinks
from domain.ids import TenantId
from domain.integrations import Explanation, Inquiry, Measure
from domain.invoices.files import InvoiceFiles
from domain.jobs import Doorbell
from domain.knowledge.search import Retriever
from domain.operations.webhooks import SecretVault
from domain.payments.service import Payments
from domain.plans.entitlements import Gatekeeper
from domain.plans.fees import FeeCollector
from domain.unit_of_work import OpenUnitOfWork
from persistence.bell import Bell
from persistence.channels.health import Breakers
from persistence.database import Database
from persistence.streams import CancelFlags
from resolvers.event_source import EventSource
from schema.context import Context


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    access_token: str
    access_expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime


class Credentials(Protocol):
    """Makes and reads tokens; knows the signing key."""

    def new_session(self, user: User, tenant_id: TenantId, now: datetime) -> tuple[Session, IssuedTokens]: ...
    def renew(self, session: Session, refresh_token: str, now: datetime) -> tuple[bytes, IssuedTokens]:
        """The hash of the refresh token that follows this one, always the same, and the tokens."""
        ...

    def read_refresh(self, token: str) -> tuple[TenantId, object, bytes]:
        """Tenant, session id and hash of a refresh token. Raises Unauthenticated for garbage."""
        ...

    def new_api_token(self, tenant_id: TenantId) -> tuple[str, str, bytes]:
        """The token, what of it may be shown, and its hash."""
        ...


class Explain(Protocol):
    async def __call__(self, inquiry: Inquiry, context: Context) -> Explanation:
        """How an operation would be answered if this caller sent it. Raises its refusal."""
        ...


class ChannelServices(Protocol):
    """What channels need of this process besides their rows."""

    keeper: Keeper
    health: Breakers

    async def healths(self, channels: Sequence[Any]) -> list[Any]:
        """The health of each, as readers see it."""
        ...

    async def try_out(self, channel: Channel, model: ChannelModel) -> Trial: ...


SENT_AT_ONCE_MAX = 10
"""Messages; half of a process's connections to PostgreSQL."""
Attempts = Callable[[str], Awaitable[bool]]
"""Whether another try may be made under this name; False when there were too many."""


@dataclass(frozen=True)
class Services:
    database: Database
    units: OpenUnitOfWork
    cancels: CancelFlags
    doorbell: Doorbell
    credentials: Credentials
    passwords: PasswordHasher
    may_sign_in: Attempts
    forget_standing: Callable[[], None]
    forget_documents: Callable[[], None]
    measure: Measure
    explain: Explain
    channels: ChannelServices
    events: EventSource
    payments: Payments
    invoice_files: InvoiceFiles
    bell: Bell
    feed_bell: Bell
    fees: FeeCollector
    may_redeem: Attempts
    gatekeeper: Gatekeeper
    webhook_secrets: SecretVault
    retriever: Retriever
    blobs: BlobStore
    files: FileDesk
    file_links: FileLinks
    tenant_concurrency: int
    tenant_ingestions: int
    starting_credit_micros: int
    any_webhook_address: bool
    """Whether webhooks may call this machine and private networks, as while developing."""
    sending: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SENT_AT_ONCE_MAX))
    """Taken before a message's transaction begins: the others line up here and not for the pool's connections, which
    everything else needs as well."""
