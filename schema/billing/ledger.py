"""The wallet, its grants and its ledger, and what changes them."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from domain import billing
from domain.billing.grants import GrantSource
from domain.billing.ledger import AccountKind, EntryKind
from domain.billing.ledger import LedgerEntry as StoredEntry
from domain.ids import TenantId
from persistence.billing import reads
from schema.base import Money, Node, Payload, described_enum, mapped, money
from schema.batched import batched, id_of, ids_of
from schema.context import Info
from schema.cost import Cost, ListSize
from schema.ids import encode_id

described_enum(
    GrantSource,
    PLAN="Included in a plan.",
    TOPUP="Paid for.",
    COUPON="From a coupon.",
    GIFT="Given: by the operator, or by a correction.",
)
described_enum(
    AccountKind,
    AVAILABLE="What can be spent.",
    HELD="What running work has reserved.",
    SPENT="What was spent.",
    FUNDING="Where paid credit comes from, and what the operator bears goes.",
    OVERRUN="What calls cost beyond their holds: the operator's.",
    PROMOTION="Where credit comes from that nobody paid for by itself.",
    EXPIRED="What was not spent in time.",
    ADJUSTMENT="The other side of corrections by hand.",
    COST="What attempts cost that nobody is billed for: the operator's.",
)
described_enum(
    EntryKind,
    TOP_UP="Credit was paid for.",
    GRANT="Credit was given.",
    EXPIRE="What was left of a grant expired.",
    HOLD="A job reserved credit.",
    EXTEND="A job reserved more.",
    SETTLE="A job ended: its hold was spent, and the rest of it returned.",
    RELEASE="A job ended that cost nothing: its hold was returned.",
    COST="An attempt cost something that its author is not billed for.",
    ADJUST="A correction by hand.",
    REVERSAL="The opposite of an entry before it.",
    REFUND="Paid credit was paid back.",
)


@strawberry.type(description="Credit by where it came from.", directives=[Cost(weight=0)])
class Grant:
    source: GrantSource = strawberry.field(description="Where it came from.")
    left: Decimal = strawberry.field(description="What is left of it, held credit included, in whole units.")
    expires_at: datetime | None = strawberry.field(description="When it expires; null for never.")
    priority: int = strawberry.field(description="Among grants that expire together the smaller is spent first.")


@strawberry.type(description="A tenant's credit.")
class Wallet:
    available: Money = strawberry.field(description="What can be spent.")
    held: Money = strawberry.field(description="What running generations have reserved.")
    spent: Money = strawberry.field(description="What has been spent.")
    tenant_id: strawberry.Private[TenantId]

    @strawberry.field(
        description="Where the credit came from, in the order in which it is spent.",
        directives=[ListSize(assumed_size=20)],
    )
    async def grants(self, info: Info) -> list[Grant]:
        rows = await info.context.services.database.shaped(self.tenant_id, reads.GRANTS)
        return [
            Grant(source=row.source, left=_units(row.left_micros), expires_at=row.expires_at, priority=row.priority)
            for row in rows
        ]


def _units(micros: int) -> Decimal:
    return billing.Money(micros).amount


def wallet_of(tenant_id: TenantId, rows: list[Any]) -> Wallet:
    balance = {row.kind: row.balance for row in rows}
    available, held, spent = (money(balance.get(kind, 0)) for kind in ("AVAILABLE", "HELD", "SPENT"))
    return Wallet(available=available, held=held, spent=spent, tenant_id=tenant_id)


@strawberry.type(description="One side of an entry.", directives=[Cost(weight=0)])
class LedgerPosting:
    account: AccountKind = strawberry.field(description="The account.")
    amount: Decimal = strawberry.field(description="What it gained or, below zero, lost, in whole units.")


@mapped(
    StoredEntry,
    reference="What it stands for; unique for its kind.",
    reason="Why, where a person decided; empty otherwise.",
    created_at="When it was posted.",
)
class LedgerEntry(Node):
    """An entry of the ledger: never changed and never deleted. Its postings sum to zero."""

    kind: EntryKind = strawberry.field(description="What it records.")

    @strawberry.field(description="The job it belongs to; null for credit.", metadata=id_of("Job", "job_id"))
    def job_id(self) -> strawberry.ID | None:
        return strawberry.ID(encode_id("Job", self.job_id)) if self.job_id else None

    @strawberry.field(
        description="The entry that it undoes; null for other kinds.", metadata=id_of("LedgerEntry", "reverses_id")
    )
    def reverses_id(self) -> strawberry.ID | None:
        return strawberry.ID(encode_id("LedgerEntry", self.reverses_id)) if self.reverses_id else None

    @batched(description="Its sides, by account.", columns=("id",))
    async def postings(entries: list[Any], info: Info) -> list[list[LedgerPosting]]:
        found = await info.context.reads.lists(reads.POSTINGS, "entry_id", ids_of(entries))
        return [[LedgerPosting(account=one.account, amount=_units(one.micros)) for one in rows] for rows in found]


@strawberry.input(description="A correction of a wallet by hand.")
class CreditAdjustInput:
    amount: Decimal = strawberry.field(description="What to add or, below zero, to take away, in whole units.")
    reason: str = strawberry.field(description="Why; it stands in the ledger.")
    idempotency_key: str = strawberry.field(description="The same key and input give the same entry for 24 hours.")
    tenant_id: strawberry.ID | None = strawberry.field(default=None, description="Whose wallet; your tenant's if null.")


@strawberry.input(description="An entry to undo.")
class EntryReverseInput:
    id: strawberry.ID = strawberry.field(description="The entry.")
    reason: str = strawberry.field(description="Why; it stands in the ledger.")
    idempotency_key: str = strawberry.field(description="The same key and input give the same entry for 24 hours.")
    tenant_id: strawberry.ID | None = strawberry.field(default=None, description="Whose ledger; your tenant's if null.")


@strawberry.type(description="The correction.")
class CreditAdjustPayload(Payload):
    entry: LedgerEntry | None = strawberry.field(
        default=None, description="The entry in the ledger; null where that is another tenant's."
    )
    wallet: Wallet | None = strawberry.field(default=None, description="The corrected wallet as it is now.")


@strawberry.type(description="The reversal.")
class EntryReversePayload(Payload):
    entry: LedgerEntry | None = strawberry.field(
        default=None, description="The new entry; null where the ledger is another tenant's."
    )
    wallet: Wallet | None = strawberry.field(default=None, description="The wallet as it is now.")
