"""Billing: integer micro-units, double entry, every generation holds before it spends.

A wallet is five accounts of one tenant. Each entry's postings sum to zero, a hold closes once, and the author is
never charged more than was held: an excess is the operator's OVERRUN.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from domain.errors import DomainError
from domain.generation.provider import UsageSource
from domain.ids import JobId

MICRO = 1_000_000
CURRENCY = "USD"


class AccountKind(StrEnum):
    AVAILABLE = "AVAILABLE"
    HELD = "HELD"
    SPENT = "SPENT"
    FUNDING = "FUNDING"
    OVERRUN = "OVERRUN"


class EntryKind(StrEnum):
    TOP_UP = "TOP_UP"
    HOLD = "HOLD"
    SETTLE = "SETTLE"
    RELEASE = "RELEASE"


@dataclass(frozen=True, slots=True)
class Money:
    """`micros` are millionths of one unit of `currency`."""

    micros: int
    currency: str = CURRENCY

    @property
    def amount(self) -> Decimal:
        return Decimal(self.micros) / MICRO


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-units for a million tokens."""

    model: str
    input_micros: int
    cached_input_micros: int
    output_micros: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt. `input_tokens` includes the cached ones, as providers report them."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    source: UsageSource = UsageSource.ESTIMATE


@dataclass(frozen=True, slots=True)
class Posting:
    account: AccountKind
    micros: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. `reference` is unique for its kind, so a repeated write is refused, not doubled."""

    kind: EntryKind
    reference: str
    postings: tuple[Posting, ...]
    job_id: JobId | None = None


@dataclass(frozen=True, slots=True)
class UsageRecord:
    job_id: JobId
    attempt: int
    kind: str
    model: str
    channel: str
    usage: Usage
    cost_micros: int
    billed: bool
    occurred_at: datetime


class QuotaExhausted(DomainError):
    """The wallet cannot cover a hold."""

    def __init__(self, needed_micros: int, available_micros: int) -> None:
        super().__init__("The wallet's credit does not cover this.")
        self.needed = Money(needed_micros)
        self.available = Money(available_micros)


def cost(price: Price, usage: Usage) -> int:
    """Micro-units, rounded up once for the whole call."""
    fresh = max(usage.input_tokens - usage.cached_input_tokens, 0)
    total = (
        fresh * price.input_micros
        + usage.cached_input_tokens * price.cached_input_micros
        + usage.output_tokens * price.output_micros
    )
    return -(-total // MICRO)


def hold_entry(job_id: JobId, micros: int) -> Entry:
    return Entry(
        EntryKind.HOLD,
        f"job:{job_id}",
        (Posting(AccountKind.AVAILABLE, -micros), Posting(AccountKind.HELD, micros)),
        job_id,
    )


def settle_entry(job_id: JobId, attempt: int, held_micros: int, cost_micros: int) -> Entry:
    """Close a hold by spending. What the call cost beyond the hold is the operator's OVERRUN, not the author's."""
    charged = min(cost_micros, held_micros)
    overrun = cost_micros - charged
    postings = [
        Posting(AccountKind.HELD, -held_micros),
        Posting(AccountKind.SPENT, charged),
        Posting(AccountKind.AVAILABLE, held_micros - charged),
        Posting(AccountKind.OVERRUN, overrun),
        Posting(AccountKind.FUNDING, -overrun),
    ]
    return Entry(EntryKind.SETTLE, f"job:{job_id}:{attempt}", tuple(p for p in postings if p.micros), job_id)


def release_entry(job_id: JobId, held_micros: int) -> Entry:
    return Entry(
        EntryKind.RELEASE,
        f"job:{job_id}",
        (Posting(AccountKind.HELD, -held_micros), Posting(AccountKind.AVAILABLE, held_micros)),
        job_id,
    )


def top_up_entry(reference: str, micros: int) -> Entry:
    return Entry(
        EntryKind.TOP_UP,
        reference,
        (Posting(AccountKind.FUNDING, -micros), Posting(AccountKind.AVAILABLE, micros)),
    )


class BillingStore(Protocol):
    """The billing room of a unit of work."""

    async def price_of(self, model: str) -> Price: ...
    async def open_wallet(self) -> None: ...
    async def post(self, entry: Entry) -> None:
        """Raises QuotaExhausted when a wallet account would go below zero."""
        ...

    async def open_hold(self, job_id: JobId, micros: int) -> None: ...
    async def close_hold(self, job_id: JobId) -> int | None:
        """Close the job's hold and return its amount; None when it was closed before."""
        ...

    async def record_usage(self, record: UsageRecord) -> None: ...


async def take_hold(billing: BillingStore, job_id: JobId, micros: int) -> None:
    """Reserve credit for a job. Raises QuotaExhausted, and then nothing of the unit of work may be kept.

    A free model's job holds nothing, and closing it moves nothing.
    """
    if not micros:
        return
    await billing.post(hold_entry(job_id, micros))
    await billing.open_hold(job_id, micros)


async def close_hold(billing: BillingStore, job_id: JobId, attempt: int, cost_micros: int) -> None:
    """Settle a job's hold, or give it back when nothing was spent. A second call changes nothing."""
    held = await billing.close_hold(job_id)
    if held is None:
        return
    await billing.post(settle_entry(job_id, attempt, held, cost_micros) if cost_micros else release_entry(job_id, held))
