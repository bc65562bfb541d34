"""The billing room of a unit of work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.billing.budgets import BudgetStore
from domain.billing.grants import Grant, Hold
from domain.billing.ledger import Entry, EntryKind
from domain.billing.prices import Price
from domain.billing.usage import UsageRecord
from domain.ids import JobId, LedgerEntryId


@dataclass(frozen=True, slots=True)
class LowWallet:
    credit_micros: int
    threshold_micros: int


class AlertStore(Protocol):
    """The alerts of a unit of work."""

    async def set_threshold(self, micros: int | None) -> None:
        """Below what credit the wallet is low; never for None. It may tell anew."""
        ...

    async def fallen(self, by_micros: int) -> LowWallet | None:
        """After the wallet's credit has fallen by so much: how low it is when that is news, which is so once."""
        ...


class BillingStore(Protocol):
    @property
    def now(self) -> datetime:
        """The transaction's time."""
        ...

    @property
    def budgets(self) -> BudgetStore: ...
    @property
    def alerts(self) -> AlertStore: ...

    async def price_of(self, model: str, channel: str | None = None) -> Price:
        """The row in force that decides for such a call (see `prices.choose`)."""
        ...

    async def prices_of(self, calls: Collection[tuple[str, str]]) -> dict[tuple[str, str], Price]:
        """The same for many calls, by model and channel."""
        ...

    async def lock_prices(self) -> Sequence[Price]:
        """The version of each price that begins last, with or without an end.

        Nobody else adds one until the end of the transaction.
        """
        ...

    async def add_prices(self, prices: Sequence[Price]) -> None:
        """Each ends the version before it."""
        ...

    async def open_wallet(self) -> None: ...
    async def lock_wallet(self) -> list[Grant]:
        """The grants that have something left. Nobody else moves the wallet's money until the transaction's end.

        Raises NotFound when the tenant has no wallet.
        """
        ...

    async def available(self) -> int:
        """Micros of the wallet that nothing holds, as they are now: nobody is kept from taking them."""
        ...

    async def post(self, entry: Entry) -> LedgerEntryId:
        """Raises QuotaExhausted when a wallet account would go below zero."""
        ...

    async def entry(self, entry_id: LedgerEntryId) -> Entry | None: ...
    async def entry_by(self, kind: EntryKind, reference: str) -> LedgerEntryId | None: ...

    async def open_hold(self, job_id: JobId, micros: int) -> None: ...
    async def extend_hold(self, job_id: JobId, micros: int) -> int | None:
        """What the job's hold has grown to; None when it is closed or there is none."""
        ...

    async def held(self, job_id: JobId) -> int:
        """What is held for a job; 0 when its hold is closed or it has none."""
        ...

    async def close_hold(self, job_id: JobId) -> Hold | None:
        """Close the job's hold and return it; None when it was closed before."""
        ...

    async def open_holds(self) -> list[Hold]: ...
    async def closed(self, job_id: JobId) -> bool:
        """Whether the job was settled or released."""
        ...

    async def charged(self, job_id: JobId) -> int:
        """What the ledger has spent of the wallet for a job, less what was reversed."""
        ...

    async def record_usage(self, record: UsageRecord) -> None: ...
    async def forget_usage(self, before: datetime, batch: int) -> int:
        """Delete older records, so many at most; how many. What they came to by day stays."""
        ...
