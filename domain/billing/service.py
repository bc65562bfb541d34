"""Use cases of the billing room: prices, credit by hand and by payment, what expires, what is forgotten."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from domain.accounts import Actor, Permission
from domain.billing.holds import expire_credit
from domain.billing.ledger import AccountKind, Entry, EntryKind, adjust_entry, reversal_entry, top_up_entry
from domain.billing.money import Money, QuotaExhausted
from domain.billing.payments import PaymentGateway
from domain.billing.price_list import new_versions, read_prices
from domain.billing.prices import Imported, PricesRefused
from domain.billing.store import BillingStore
from domain.billing.usage import RETENTION_DAYS_MIN
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import LedgerEntryId, new_id
from domain.jobs import IdempotencyKey, body_hash
from domain.text import clean_line
from domain.unit_of_work import UnitOfWork

KEY_CHARS_MAX = 200
REASON_CHARS_MAX = 500


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


async def top_up(uow: UnitOfWork, actor: Actor, change: Change, payments: PaymentGateway) -> LedgerEntryId:
    """Pay for credit. Repeated with its key, it pays once and gives the same entry. Raises Rejected."""
    actor.require(Permission.BILLING)
    if change.micros <= 0:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A top-up is of more than nothing.", "input", "amount")
    key = _key(actor, "creditTopUp", change.idempotency_key, asdict(change))
    if (before := await _replay(uow, key)) is not None:
        return before
    payment = await payments.charge(Money(change.micros), f"{uow.tenant_id}:{key.principal}:{key.key}")
    reference = f"payment:{payment.external_id}"
    await uow.billing.lock_wallet()
    entry_id = await uow.billing.entry_by(EntryKind.TOP_UP, reference)  # a key is forgotten, a payment never
    if entry_id is None:
        entry_id = await uow.billing.post(top_up_entry(reference, change.micros, posted_by=actor.user_id))
    await uow.jobs.complete_key(key, entry_id)
    return entry_id


async def adjust(uow: UnitOfWork, actor: Actor, change: Change) -> LedgerEntryId:
    """Correct a wallet by hand. Raises Rejected, QUOTA_EXHAUSTED when more is taken than can be spent."""
    actor.require(Permission.PLATFORM)
    reason = clean_line(change.reason, "reason", chars_max=REASON_CHARS_MAX)
    if not change.micros:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "An adjustment is of more or less than nothing.", "input", "amount")
    key = _key(actor, "creditAdjust", change.idempotency_key, asdict(change))
    if (before := await _replay(uow, key)) is not None:
        return before
    await expire_credit(uow.billing, uow.now)
    grants = await uow.billing.lock_wallet()
    try:
        entry = adjust_entry(f"adjust:{new_id()}", change.micros, reason, grants, actor.user_id)
    except ValueError:
        raise _not_covered() from None
    return await _posted(uow, key, entry)


async def reverse(
    uow: UnitOfWork, actor: Actor, entry_id: LedgerEntryId, reason: str, idempotency_key: str
) -> LedgerEntryId:
    """Undo an entry, once. Raises Rejected, QUOTA_EXHAUSTED when its credit has been spent or is held."""
    actor.require(Permission.PLATFORM)
    reason = clean_line(reason, "reason", chars_max=REASON_CHARS_MAX)
    key = _key(actor, "entryReverse", idempotency_key, {"entry_id": entry_id, "reason": reason})
    if (before := await _replay(uow, key)) is not None:
        return before
    await expire_credit(uow.billing, uow.now)
    grants = await uow.billing.lock_wallet()
    entry = await uow.billing.entry(entry_id)
    if entry is None:
        raise NotFound("The entry", "input", "id")
    if await uow.billing.entry_by(EntryKind.REVERSAL, f"entry:{entry_id}") is not None:
        raise Rejected(ErrorCode.ALREADY_EXISTS, "This entry has been reversed.", "input", "id")
    try:
        reversal = reversal_entry(entry_id, entry, grants, reason, actor.user_id)
    except ValueError:
        raise _not_covered() from None
    return await _posted(uow, key, reversal)


async def _posted(uow: UnitOfWork, key: IdempotencyKey, entry: Entry) -> LedgerEntryId:
    try:
        entry_id = await uow.billing.post(entry)
    except QuotaExhausted:
        raise _not_covered() from None
    await uow.jobs.complete_key(key, entry_id)
    return entry_id


def _not_covered() -> Rejected:
    return Rejected(ErrorCode.QUOTA_EXHAUSTED, f"The wallet has less than that in {AccountKind.AVAILABLE}.")


def _key(actor: Actor, operation: str, key: str, body: dict[str, object]) -> IdempotencyKey:
    name = clean_line(key, "idempotencyKey", chars_max=KEY_CHARS_MAX)
    return IdempotencyKey(actor.principal, operation, name, body_hash(body))


async def _replay(uow: UnitOfWork, key: IdempotencyKey) -> LedgerEntryId | None:
    """The entry that the key led to before; None when it is ours now. Raises Rejected(IDEMPOTENCY_CONFLICT)."""
    used = await uow.jobs.claim_key(key)
    if used is None:
        return None
    if not used.same_body:
        message = "This key was used for another request."
        raise Rejected(ErrorCode.IDEMPOTENCY_CONFLICT, message, "input", "idempotencyKey")
    return LedgerEntryId(used.result_id)


async def expire_grants(uow: UnitOfWork, now: datetime) -> int:
    """Take away what is left of a tenant's expired grants; how many micro-units. A second call takes nothing."""
    return await expire_credit(uow.billing, now)


async def forget_usage(uow: UnitOfWork, keep_days: int) -> int:
    """Delete a tenant's usage records that are older; how many. What they came to by day stays."""
    if keep_days < RETENTION_DAYS_MIN:
        raise ValueError(f"usage records are kept for at least {RETENTION_DAYS_MIN} days")
    return await uow.billing.forget_usage(uow.now - timedelta(days=keep_days))
