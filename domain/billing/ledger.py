"""The ledger: double entry, append-only. A wallet is the accounts of one tenant.

The postings of an entry sum to zero. What it adds to AVAILABLE and HELD together it adds to grants, so that grants
always say where a wallet's credit came from. The author is never charged more than was held: an excess is the
operator's OVERRUN, and what nobody is billed for is its COST.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.billing.grants import PRIORITIES, Grant, GrantSource, Move, burn
from domain.errors import ErrorCode, Rejected
from domain.ids import GrantId, JobId, LedgerEntryId, TenantId, UserId, new_id


class AccountKind(StrEnum):
    """The accounts of a wallet. AVAILABLE and HELD are never below zero."""

    AVAILABLE = "AVAILABLE"
    HELD = "HELD"
    SPENT = "SPENT"
    FUNDING = "FUNDING"
    OVERRUN = "OVERRUN"
    PROMOTION = "PROMOTION"
    EXPIRED = "EXPIRED"
    ADJUSTMENT = "ADJUSTMENT"
    COST = "COST"


CREDIT = frozenset({AccountKind.AVAILABLE, AccountKind.HELD})
"""The accounts that grants stand behind."""


class EntryKind(StrEnum):
    """What an entry of the ledger records."""

    TOP_UP = "TOP_UP"
    GRANT = "GRANT"
    EXPIRE = "EXPIRE"
    HOLD = "HOLD"
    EXTEND = "EXTEND"
    SETTLE = "SETTLE"
    RELEASE = "RELEASE"
    COST = "COST"
    ADJUST = "ADJUST"
    REVERSAL = "REVERSAL"
    REFUND = "REFUND"


REVERSIBLE = frozenset({EntryKind.TOP_UP, EntryKind.GRANT, EntryKind.SETTLE, EntryKind.ADJUST})
"""What a person may undo. A refund is undone by what becomes of its money, never by hand."""


@dataclass(frozen=True, slots=True)
class Posting:
    account: AccountKind
    micros: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. `reference` is unique for its kind, so a repeated write is refused, not doubled.

    `opens` are new grants, which have nothing until a move gives it to them.
    """

    kind: EntryKind
    reference: str
    postings: tuple[Posting, ...]
    job_id: JobId | None = None
    moves: tuple[Move, ...] = ()
    opens: tuple[Grant, ...] = ()
    reason: str = ""
    reverses_id: LedgerEntryId | None = None
    posted_by: UserId | None = None

    @property
    def credit_micros(self) -> int:
        """What it adds to the wallet, spendable and held together."""
        return sum(one.micros for one in self.postings if one.account in CREDIT)


@dataclass(eq=False)
class LedgerEntry:
    """An entry as it stands in the ledger, without its postings."""

    tenant_id: TenantId
    id: LedgerEntryId
    kind: str
    reference: str
    job_id: JobId | None = None
    reason: str = ""
    reverses_id: LedgerEntryId | None = None
    posted_by: UserId | None = None
    created_at: datetime | None = None


def _postings(*changes: tuple[AccountKind, int]) -> tuple[Posting, ...]:
    return tuple(Posting(account, micros) for account, micros in changes if micros)


def _moved(giver: AccountKind, taker: AccountKind, micros: int) -> tuple[Posting, ...]:
    return _postings((giver, -micros), (taker, micros))


# -- a job's hold ----------------------------------------------------------------------------------------------------


def hold_entry(job_id: JobId, micros: int) -> Entry:
    postings = _moved(AccountKind.AVAILABLE, AccountKind.HELD, micros)
    return Entry(EntryKind.HOLD, f"job:{job_id}", postings, job_id)


def extend_entry(job_id: JobId, micros: int, held_micros: int) -> Entry:
    """`held_micros` is what the hold comes to: it only grows, so no two extensions share a reference."""
    postings = _moved(AccountKind.AVAILABLE, AccountKind.HELD, micros)
    return Entry(EntryKind.EXTEND, f"job:{job_id}:{held_micros}", postings, job_id)


def settle_entry(
    job_id: JobId, attempt: int, held_micros: int, cost_micros: int, moves: tuple[Move, ...] = ()
) -> Entry:
    """Close a hold by spending. What the call cost beyond the hold is the operator's OVERRUN, not the author's."""
    charged = min(cost_micros, held_micros)
    overrun = cost_micros - charged
    postings = _postings(
        (AccountKind.HELD, -held_micros),
        (AccountKind.SPENT, charged),
        (AccountKind.AVAILABLE, held_micros - charged),
        (AccountKind.OVERRUN, overrun),
        (AccountKind.FUNDING, -overrun),
    )
    return Entry(EntryKind.SETTLE, f"job:{job_id}:{attempt}", postings, job_id, moves)


def release_entry(job_id: JobId, held_micros: int) -> Entry:
    postings = _moved(AccountKind.HELD, AccountKind.AVAILABLE, held_micros)
    return Entry(EntryKind.RELEASE, f"job:{job_id}", postings, job_id)


def cost_entry(job_id: JobId, attempt: int, kind: str, micros: int) -> Entry:
    """What an attempt cost that its author is not billed for."""
    postings = _moved(AccountKind.FUNDING, AccountKind.COST, micros)
    return Entry(EntryKind.COST, f"job:{job_id}:{attempt}:{kind}", postings, job_id)


# -- credit that comes and goes --------------------------------------------------------------------------------------


def _opened(
    source: GrantSource, micros: int, expires_at: datetime | None = None, priority: int | None = None
) -> tuple[Grant, Move]:
    if micros <= 0:
        raise ValueError("a grant is of more than nothing")
    rank = PRIORITIES[source] if priority is None else priority
    grant = Grant(GrantId(new_id()), source, micros, 0, rank, expires_at)
    return grant, Move(grant.id, micros)


def top_up_entry(reference: str, micros: int, *, posted_by: UserId | None = None) -> Entry:
    """Credit that was paid for, which never expires."""
    grant, move = _opened(GrantSource.TOPUP, micros)
    postings = _moved(AccountKind.FUNDING, AccountKind.AVAILABLE, micros)
    return Entry(EntryKind.TOP_UP, reference, postings, moves=(move,), opens=(grant,), posted_by=posted_by)


def refund_entry(
    reference: str, micros: int, grants: Iterable[Grant], *, reason: str = "", posted_by: UserId | None = None
) -> Entry:
    """Paid credit that is paid back: what was given is not. Raises ValueError when not so much of it is left."""
    paid = [one for one in grants if one.source is GrantSource.TOPUP]
    postings = _moved(AccountKind.AVAILABLE, AccountKind.FUNDING, micros)
    moves = burn(paid, micros)
    return Entry(EntryKind.REFUND, reference, postings, moves=moves, reason=reason, posted_by=posted_by)


def grant_entry(
    reference: str, micros: int, source: GrantSource, *, expires_at: datetime | None = None, priority: int | None = None
) -> Entry:
    """Credit that nobody paid for by itself: of a plan, a coupon, or as a gift."""
    grant, move = _opened(source, micros, expires_at, priority)
    postings = _moved(AccountKind.PROMOTION, AccountKind.AVAILABLE, micros)
    return Entry(EntryKind.GRANT, reference, postings, moves=(move,), opens=(grant,))


def expire_entry(move: Move, at: datetime) -> Entry:
    postings = _moved(AccountKind.AVAILABLE, AccountKind.EXPIRED, -move.micros)
    # Credit may come back to a grant that has expired, and then expires again, perhaps in the same transaction.
    return Entry(EntryKind.EXPIRE, f"grant:{move.grant_id}:{at.isoformat()}:{new_id()}", postings, moves=(move,))


def adjust_entry(
    reference: str, micros: int, reason: str, grants: Iterable[Grant], posted_by: UserId, *, at: datetime
) -> Entry:
    """A correction by hand: a gift that never expires, or less credit. Raises ValueError when there is not so much."""
    postings = _moved(AccountKind.ADJUSTMENT, AccountKind.AVAILABLE, micros)
    moves, opens = _changed(micros, grants, at)
    return Entry(EntryKind.ADJUST, reference, postings, None, moves, opens, reason, posted_by=posted_by)


def _changed(micros: int, grants: Iterable[Grant], at: datetime) -> tuple[tuple[Move, ...], tuple[Grant, ...]]:
    """Moves, and new grants, that change a wallet by an amount.

    What is left of an expired grant is there for older holds: the live ones have at least what can be spent.
    """
    if micros <= 0:
        return burn(grants, -micros, since=at), ()
    grant, move = _opened(GrantSource.GIFT, micros)
    return (move,), (grant,)


def reversal_entry(
    entry_id: LedgerEntryId,
    entry: Entry,
    grants: Iterable[Grant],
    reason: str,
    posted_by: UserId,
    *,
    at: datetime,
) -> Entry:
    """The opposite of an entry, by hand. A settled job's hold stays closed: what was held comes back as spendable.

    Grants get back what was taken from them, and lose what they were given; where one has less, others do instead.
    Raises Rejected for an entry that cannot be reversed, ValueError when the credit is not there any more.
    """
    if entry.kind not in REVERSIBLE:
        raise Rejected(ErrorCode.INVALID_STATE, f"An entry of kind {entry.kind} is not reversed.", "input", "id")
    return _opposite(entry_id, entry, grants, reason, posted_by, at=at)


def unrefunded_entry(
    entry_id: LedgerEntryId, entry: Entry, grants: Iterable[Grant], reason: str, *, at: datetime
) -> Entry:
    """The opposite of a REFUND whose money did not go."""
    if entry.kind is not EntryKind.REFUND:
        raise ValueError(f"an entry of kind {entry.kind} is no refund")
    return _opposite(entry_id, entry, grants, reason, None, at=at)


def _opposite(
    entry_id: LedgerEntryId,
    entry: Entry,
    grants: Iterable[Grant],
    reason: str,
    posted_by: UserId | None,
    *,
    at: datetime,
) -> Entry:
    changes: dict[AccountKind, int] = {}
    for one in entry.postings:
        account = AccountKind.AVAILABLE if one.account in CREDIT else one.account
        changes[account] = changes.get(account, 0) - one.micros
    moves, opens = _undone(entry, {one.id: one for one in grants}, at)
    return Entry(
        EntryKind.REVERSAL, f"entry:{entry_id}", _postings(*changes.items()), entry.job_id, moves, opens, reason,
        entry_id, posted_by,
    )  # fmt: skip


def _undone(entry: Entry, grants: dict[GrantId, Grant], at: datetime) -> tuple[tuple[Move, ...], tuple[Grant, ...]]:
    moves: dict[GrantId, int] = {}
    for one in entry.moves:
        left = grants[one.grant_id].left_micros if one.grant_id in grants else 0
        moves[one.grant_id] = max(-one.micros, -left)
    rest, opens = _changed(
        -entry.credit_micros - sum(moves.values()),
        (_less(grant, moves.get(grant.id, 0)) for grant in grants.values()),
        at,
    )
    for one in rest:
        moves[one.grant_id] = moves.get(one.grant_id, 0) + one.micros
    return tuple(Move(grant_id, micros) for grant_id, micros in moves.items() if micros), opens


def _less(grant: Grant, change: int) -> Grant:
    left = grant.left_micros + change
    return Grant(grant.id, grant.source, grant.amount_micros, left, grant.priority, grant.expires_at)
