"""The billing room, in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.billing.grants import Grant, Hold
from domain.billing.ledger import AccountKind, Entry, EntryKind
from domain.billing.money import QuotaExhausted
from domain.billing.prices import ANY_MODEL, Price, choose
from domain.billing.usage import UsageRecord
from domain.ids import GrantId, JobId, LedgerEntryId, PriceId, new_id
from tests.domain.memory.budgets import MemoryAlerts, MemoryBudgets
from tests.domain.memory.clock import NOW

_REASONED = frozenset({EntryKind.ADJUST, EntryKind.REVERSAL})


@dataclass(slots=True)
class KeptHold:
    micros: int
    opened_at: datetime
    open: bool = True


class MemoryBilling:
    """Implements `domain.billing.store.BillingStore` with the ledger's constraints."""

    def __init__(self) -> None:
        self.now = NOW
        self.budgets = MemoryBudgets(lambda: self.now)
        self.alerts = MemoryAlerts(self.credit)
        self.versions = [Price(ANY_MODEL, 500_000, 125_000, 2_000_000, id=PriceId(new_id()))]
        self.prices: dict[str, Price] = {}
        """A model's own price, put there by a test."""
        self.balance: dict[AccountKind, int] = defaultdict(int)
        self.entries: list[Entry] = []
        self._of_job: dict[JobId | None, list[Entry]] = defaultdict(list)
        self._references: set[tuple[EntryKind, str]] = set()
        self.ids: dict[LedgerEntryId, Entry] = {}
        self.grants: dict[GrantId, Grant] = {}
        self.holds: dict[JobId, KeptHold] = {}
        self.usage: dict[tuple[JobId, int, str], UsageRecord] = {}

    def credit(self) -> int:
        return self.balance[AccountKind.AVAILABLE] + self.balance[AccountKind.HELD]

    async def price_of(self, model: str, channel: str | None = None) -> Price:
        chosen = choose([*self.versions, *self.prices.values()], model, channel, self.now)
        assert chosen is not None
        return chosen

    async def prices_of(self, calls: Collection[tuple[str, str]]) -> dict[tuple[str, str], Price]:
        return {call: await self.price_of(*call) for call in calls}

    async def lock_prices(self) -> Sequence[Price]:
        return list({one.key: one for one in self.versions}.values())

    async def add_prices(self, prices: Sequence[Price]) -> None:
        for one in prices:
            for before in self.versions:
                if before.key == one.key and before.valid_to is None:
                    before.valid_to = one.valid_from
            one.id = PriceId(new_id())
            self.versions.append(one)

    async def open_wallet(self) -> None:
        self.balance.update(dict.fromkeys(AccountKind, 0))

    async def lock_wallet(self) -> list[Grant]:
        return [grant for grant in self.grants.values() if grant.left_micros]

    async def available(self) -> int:
        return self.balance[AccountKind.AVAILABLE]

    async def post(self, entry: Entry) -> LedgerEntryId:
        self._check(entry)
        after = dict(self.balance)
        for posting in entry.postings:
            after[posting.account] = after.get(posting.account, 0) + posting.micros
        if min(after.get(AccountKind.AVAILABLE, 0), after.get(AccountKind.HELD, 0)) < 0:
            needed = -min(posting.micros for posting in entry.postings)
            raise QuotaExhausted(needed, self.balance[AccountKind.AVAILABLE])
        self._move(entry)
        self.balance.update(after)
        self.entries.append(entry)
        self._of_job[entry.job_id].append(entry)
        self._references.add((entry.kind, entry.reference))
        entry_id = LedgerEntryId(new_id())
        self.ids[entry_id] = entry
        return entry_id

    def _move(self, entry: Entry) -> None:
        self.grants.update({one.id: one for one in entry.opens})
        for move in entry.moves:
            grant = self.grants[move.grant_id]
            left = grant.left_micros + move.micros
            if not 0 <= left <= grant.amount_micros:
                raise ValueError("grants_left_check")
            self.grants[move.grant_id] = replace(grant, left_micros=left)

    def _check(self, entry: Entry) -> None:
        """What the ledger's constraints and triggers refuse."""
        if sum(posting.micros for posting in entry.postings) or len(entry.postings) < 2:
            raise ValueError(f"entry {entry.reference} does not balance")
        if sum(move.micros for move in entry.moves) != entry.credit_micros:
            raise ValueError(f"entry {entry.reference} moves more or less of its grants than of the wallet")
        if not all([*(one.micros for one in entry.postings), *(one.micros for one in entry.moves)]):
            raise ValueError("ledger_postings_moves_check or grant_moves_moves_check")
        if len({posting.account for posting in entry.postings}) < len(entry.postings):
            raise ValueError("ledger_postings_pkey")
        if len({move.grant_id for move in entry.moves}) < len(entry.moves):
            raise ValueError("grant_moves_pkey")
        if (entry.kind in _REASONED and not entry.reason) or (entry.kind == EntryKind.REVERSAL) != bool(
            entry.reverses_id
        ):
            raise ValueError("ledger_entries_reasoned_check or ledger_entries_reverses_check")
        if (entry.kind, entry.reference) in self._references:
            raise ValueError("ledger_entries_tenant_id_kind_reference_key")
        closing = {EntryKind.SETTLE, EntryKind.RELEASE}
        if entry.kind in closing and any(one.kind in closing for one in self._of_job[entry.job_id]):
            raise ValueError("ledger_entries_hold_closes_once_idx")
        if entry.reverses_id is not None and any(one.reverses_id == entry.reverses_id for one in self.entries):
            raise ValueError("ledger_entries_tenant_id_reverses_id_idx")

    async def entry(self, entry_id: LedgerEntryId) -> Entry | None:
        return self.ids.get(entry_id)

    async def entry_by(self, kind: EntryKind, reference: str) -> LedgerEntryId | None:
        found = [id_ for id_, one in self.ids.items() if (one.kind, one.reference) == (kind, reference)]
        return found[0] if found else None

    async def open_hold(self, job_id: JobId, micros: int) -> None:
        if micros <= 0 or job_id in self.holds:
            raise ValueError("holds_positive_check or holds_pkey")
        self.holds[job_id] = KeptHold(micros, self.now)

    async def extend_hold(self, job_id: JobId, micros: int) -> int | None:
        hold = self.holds.get(job_id)
        if hold is None or not hold.open:
            return None
        hold.micros += micros
        return hold.micros

    async def close_hold(self, job_id: JobId) -> Hold | None:
        hold = self.holds.get(job_id)
        if hold is None or not hold.open:
            return None
        hold.open = False
        return Hold(job_id, hold.micros, hold.opened_at)

    async def held(self, job_id: JobId) -> int:
        return next((one.micros for key, one in self.holds.items() if key == job_id and one.open), 0)

    async def closed(self, job_id: JobId) -> bool:
        closing = {EntryKind.SETTLE, EntryKind.RELEASE}
        return any(one.kind in closing for one in self._of_job[job_id])

    async def charged(self, job_id: JobId) -> int:
        return sum(
            posting.micros
            for one in self._of_job[job_id]
            for posting in one.postings
            if posting.account is AccountKind.SPENT
        )

    async def open_holds(self) -> list[Hold]:
        return [Hold(job_id, one.micros, one.opened_at) for job_id, one in self.holds.items() if one.open]

    async def record_usage(self, record: UsageRecord) -> None:
        key = (record.job_id, record.attempt, record.kind)
        if key in self.usage:
            raise ValueError("usage_records_pkey")
        self.usage[key] = record

    async def forget_usage(self, before: datetime, batch: int) -> int:
        old = [key for key, one in self.usage.items() if one.occurred_at < before][:batch]
        for key in old:
            del self.usage[key]
        return len(old)
