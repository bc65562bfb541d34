"""The billing room, in memory."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from domain.billing import AccountKind, Entry, EntryKind, Price, QuotaExhausted, UsageRecord
from domain.ids import JobId


@dataclass(slots=True)
class Hold:
    micros: int
    open: bool = True


class MemoryBilling:
    """Implements `domain.billing.BillingStore` with the ledger's constraints."""

    def __init__(self) -> None:
        self.prices = {"*": Price("*", 500_000, 125_000, 2_000_000)}
        self.balance: dict[AccountKind, int] = defaultdict(int)
        self.entries: list[Entry] = []
        self.holds: dict[JobId, Hold] = {}
        self.usage: dict[tuple[JobId, int, str], UsageRecord] = {}

    async def price_of(self, model: str) -> Price:
        return self.prices.get(model, self.prices["*"])

    async def open_wallet(self) -> None:
        self.balance.update(dict.fromkeys(AccountKind, 0))

    async def post(self, entry: Entry) -> None:
        self._check(entry)
        after = dict(self.balance)
        for posting in entry.postings:
            after[posting.account] = after.get(posting.account, 0) + posting.micros
        if min(after.get(AccountKind.AVAILABLE, 0), after.get(AccountKind.HELD, 0)) < 0:
            needed = -min(posting.micros for posting in entry.postings)
            raise QuotaExhausted(needed, self.balance[AccountKind.AVAILABLE])
        self.balance.update(after)
        self.entries.append(entry)

    def _check(self, entry: Entry) -> None:
        """What the ledger's constraints and triggers refuse."""
        if sum(posting.micros for posting in entry.postings) or len(entry.postings) < 2:
            raise ValueError(f"entry {entry.reference} does not balance")
        if not all(posting.micros for posting in entry.postings):
            raise ValueError("ledger_postings_moves_check")
        if len({posting.account for posting in entry.postings}) < len(entry.postings):
            raise ValueError("ledger_postings_pkey")
        closing = {EntryKind.SETTLE, EntryKind.RELEASE}
        for one in self.entries:
            if (one.kind, one.reference) == (entry.kind, entry.reference):
                raise ValueError("ledger_entries_tenant_id_kind_reference_key")
            if one.job_id == entry.job_id and {one.kind, entry.kind} <= closing:
                raise ValueError("ledger_entries_hold_closes_once_idx")

    async def open_hold(self, job_id: JobId, micros: int) -> None:
        if micros <= 0 or job_id in self.holds:
            raise ValueError("holds_positive_check or holds_pkey")
        self.holds[job_id] = Hold(micros)

    async def close_hold(self, job_id: JobId) -> int | None:
        hold = self.holds.get(job_id)
        if hold is None or not hold.open:
            return None
        hold.open = False
        return hold.micros

    async def record_usage(self, record: UsageRecord) -> None:
        key = (record.job_id, record.attempt, record.kind)
        if key in self.usage:
            raise ValueError("usage_records_pkey")
        self.usage[key] = record
