"""The billing room of a unit of work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from domain.billing.grants import Grant, Hold
from domain.billing.ledger import Entry, EntryKind
from domain.billing.prices import Price
from domain.billing.usage import UsageRecord
from domain.ids import JobId, LedgerEntryId


class BillingStore(Protocol):
    @property
    def now(self) -> datetime:
        """The transaction's time."""
        ...

    async def price_of(self, model: str, channel: str | None = None, group: str | None = None) -> Price:
        """The row in force that decides for such a call (see `prices.choose`)."""
        ...

    async def prices_of(self, calls: Collection[tuple[str, str]]) -> dict[tuple[str, str], Price]:
        """The same for many calls, by model and channel."""
        ...

    async def lock_prices(self) -> Sequence[Price]:
        """The last version of each price; nobody else adds one until the end of the transaction."""
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

    async def record_usage(self, record: UsageRecord) -> None: ...
    async def forget_usage(self, before: datetime) -> int:
        """Delete older records; how many. What they came to by day stays."""
        ...
