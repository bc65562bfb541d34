"""Use cases of the billing room: prices, credit by hand, what expires, what is forgotten."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from domain.accounts import Actor, Permission
from domain.billing.holds import expire_credit
from domain.billing.ledger import AccountKind, Entry, EntryKind, adjust_entry, reversal_entry
from domain.billing.money import QuotaExhausted
from domain.billing.price_list import new_versions, read_prices
from domain.billing.prices import Imported, PricesRefused
from domain.billing.store import BillingStore
from domain.billing.usage import RETENTION_DAYS_MIN
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import LedgerEntryId
from domain.jobs import IdempotencyKey, claim, key_conflict, scoped_key
from domain.operations.audit import Subject, record
from domain.text import clean_line
from domain.unit_of_work import UnitOfWork

REASON_CHARS_MAX = 500
FORGOTTEN_AT_ONCE = 5_000


async def import_prices(billing: BillingStore, content: object) -> Imported:
    """Add the rows of a parsed price list that say something new: all of them or, raising PricesRefused, none."""
    rows, bad = read_prices(content, billing.now)
    if not bad:
        added, bad = new_versions(rows, await billing.lock_prices())
    if bad:
        raise PricesRefused(bad)
    await billing.add_prices(added)
    return Imported(len(added), len(rows) - len(added))


@dataclass(frozen=True, slots=True)
class Change:
    """Credit to be added or, where `micros` is negative, taken away. `reason` is for an adjustment."""

    micros: int
    idempotency_key: str
    reason: str = ""

    def same_as(self, entry: Entry | None) -> bool:
        return entry is not None and (entry.credit_micros, entry.reason) == (self.micros, self.reason)


async def adjust(uow: UnitOfWork, actor: Actor, change: Change, *, request_id: str = "") -> LedgerEntryId:
    """Correct a wallet by hand. Raises Rejected, QUOTA_EXHAUSTED when more is taken than can be spent."""
    actor.require(Permission.PLATFORM)
    change = replace(change, reason=clean_line(change.reason, "reason", chars_max=REASON_CHARS_MAX))
    if not change.micros:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "An adjustment is of more or less than nothing.", "input", "amount")
    key = scoped_key(actor.principal, "creditAdjust", change.idempotency_key, asdict(change))
    if (before := await claim(uow.jobs, key)) is not None:
        return LedgerEntryId(before)
    await expire_credit(uow.billing, uow.now)
    grants = await uow.billing.lock_wallet()
    reference = f"adjust:{_digest(uow, key)}"
    if (before := await _posted_before(uow, key, EntryKind.ADJUST, reference, change)) is not None:
        return before
    try:
        entry = adjust_entry(reference, change.micros, change.reason, grants, actor.user_id, at=uow.now)
    except ValueError:
        raise _not_covered() from None
    entry_id = await _posted(uow, key, entry)
    details = {"amount_micros": change.micros, "reason": change.reason}
    await record(uow, actor, "credit.adjust", Subject("LedgerEntry", entry_id), details, request_id=request_id)
    return entry_id


def _digest(uow: UnitOfWork, key: IdempotencyKey) -> str:
    """What a key stands for, so that the ledger knows it again when the key itself has been forgotten."""
    return hashlib.sha256(f"{uow.tenant_id}:{key.principal}:{key.key}".encode()).hexdigest()


async def _posted_before(
    uow: UnitOfWork, key: IdempotencyKey, kind: EntryKind, reference: str, change: Change
) -> LedgerEntryId | None:
    """The entry that a forgotten key led to; None when there is none. Raises Rejected(IDEMPOTENCY_CONFLICT)."""
    entry_id = await uow.billing.entry_by(kind, reference)
    if entry_id is None:
        return None
    if not change.same_as(await uow.billing.entry(entry_id)):
        raise key_conflict()
    await uow.jobs.complete_key(key, entry_id)
    return entry_id


async def reverse(
    uow: UnitOfWork, actor: Actor, entry_id: LedgerEntryId, reason: str, idempotency_key: str, *, request_id: str = ""
) -> LedgerEntryId:
    """Undo an entry, once. Raises Rejected, QUOTA_EXHAUSTED when its credit has been spent or is held."""
    actor.require(Permission.PLATFORM)
    reason = clean_line(reason, "reason", chars_max=REASON_CHARS_MAX)
    key = scoped_key(actor.principal, "entryReverse", idempotency_key, {"entry_id": entry_id, "reason": reason})
    if (before := await claim(uow.jobs, key)) is not None:
        return LedgerEntryId(before)
    await expire_credit(uow.billing, uow.now)
    grants = await uow.billing.lock_wallet()
    entry = await uow.billing.entry(entry_id)
    if entry is None:
        raise NotFound("The entry", "input", "id")
    if await uow.billing.entry_by(EntryKind.REVERSAL, f"entry:{entry_id}") is not None:
        raise Rejected(ErrorCode.ALREADY_EXISTS, "This entry has been reversed.", "input", "id")
    try:
        reversal = reversal_entry(entry_id, entry, grants, reason, actor.user_id, at=uow.now)
    except ValueError:
        raise _not_covered() from None
    reversal_id = await _posted(uow, key, reversal)
    details = {"reason": reason}
    await record(uow, actor, "ledger_entry.reverse", Subject("LedgerEntry", entry_id), details, request_id=request_id)
    return reversal_id


async def _posted(uow: UnitOfWork, key: IdempotencyKey, entry: Entry) -> LedgerEntryId:
    try:
        entry_id = await uow.billing.post(entry)
    except QuotaExhausted:
        raise _not_covered() from None
    await uow.jobs.complete_key(key, entry_id)
    return entry_id


def _not_covered() -> Rejected:
    return Rejected(ErrorCode.QUOTA_EXHAUSTED, f"The wallet has less than that in {AccountKind.AVAILABLE}.")


async def forget_usage(uow: UnitOfWork, keep_days: int) -> int:
    """Delete some of a tenant's usage records that are older; how many. What they came to by day stays.

    Fewer than FORGOTTEN_AT_ONCE: they were the last.
    """
    if keep_days < RETENTION_DAYS_MIN:
        raise ValueError(f"usage records are kept for at least {RETENTION_DAYS_MIN} days")
    return await uow.billing.forget_usage(uow.now - timedelta(days=keep_days), FORGOTTEN_AT_ONCE)
