"""Grants: what is spent first, what expires, and what a hold from before may still spend."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.billing import AccountKind, QuotaExhausted, close_hold, extend_hold, take_hold, top_up_entry
from domain.billing.grants import Grant, GrantSource, Hold, Move, burn, lapsed
from domain.billing.holds import expire_credit
from domain.billing.ledger import adjust_entry, grant_entry
from domain.ids import GrantId, JobId, UserId, new_id
from tests.domain.memory import NOW, MemoryBilling

HOUR = timedelta(hours=1)
SOON, LATER = NOW + HOUR, NOW + 2 * HOUR
JOB = JobId(new_id())


_numbers = itertools.count()


def grant(left: int, expires_at: datetime | None = None, priority: int = 10) -> Grant:
    """Each younger than the one before."""
    return Grant(GrantId(UUID(int=next(_numbers))), GrantSource.GIFT, left, left, priority, expires_at)


def test_credit_is_spent_by_expiry_then_priority_then_age() -> None:
    order = [grant(1, SOON, 40), grant(1, LATER, 10), grant(1, LATER, 20), grant(1, None, 10), grant(1, None, 10)]
    order.append(grant(1, None, 40))
    assert [move.grant_id for move in burn(reversed(order), 6)] == [one.id for one in order]


def test_an_amount_is_taken_to_the_micro_and_a_grant_in_parts() -> None:
    first, second = grant(70, SOON), grant(100)
    assert burn([second, first], 70) == (Move(first.id, -70),)
    assert burn([second, first], 71) == (Move(first.id, -70), Move(second.id, -1))
    assert burn([second, first], 0) == ()


def test_more_than_there_is_cannot_be_taken() -> None:
    with pytest.raises(ValueError, match="1 micro-units short"):
        burn([grant(70), grant(29)], 100)


@given(st.lists(st.integers(1, 100), max_size=6), st.integers(0, 300))
def test_what_is_taken_is_exactly_the_amount(lefts: list[int], amount: int) -> None:
    grants = [grant(left) for left in lefts]
    if amount <= sum(lefts):
        moves = {move.grant_id: -move.micros for move in burn(grants, amount)}
        assert sum(moves.values()) == amount
        assert all(0 < moves[one.id] <= one.left_micros for one in grants if one.id in moves)


def test_a_settlement_takes_what_expired_after_its_hold_and_leaves_what_expired_before() -> None:
    before, after, never = grant(10, NOW - HOUR), grant(10, SOON), grant(10)
    assert [move.grant_id for move in burn([before, after, never], 20, since=NOW)] == [after.id, never.id]


def test_what_expired_goes_but_for_what_older_holds_may_spend() -> None:
    one, two, live = grant(100, NOW - 2 * HOUR), grant(100, NOW - HOUR), grant(100, SOON)
    older, old = Hold(JOB, 30, NOW - 3 * HOUR), Hold(JOB, 50, NOW - 1.5 * HOUR)
    young = Hold(JOB, 90, NOW - 0.5 * HOUR)
    assert lapsed([live, two, one], [], NOW) == (Move(one.id, -100), Move(two.id, -100))
    assert lapsed([live, two, one], [older, old, young], NOW) == (Move(one.id, -70), Move(two.id, -50))
    assert lapsed([live], [], NOW) == ()


def test_a_grant_expires_at_its_moment_and_not_before() -> None:
    one = grant(5, NOW)
    assert lapsed([one], [], NOW - timedelta(microseconds=1)) == ()
    assert lapsed([one], [], NOW) == (Move(one.id, -5),)


# In a wallet.


@pytest.fixture
async def wallet() -> MemoryBilling:
    """1,000 paid for, and a gift of 100 that expires in an hour."""
    billing = MemoryBilling()
    await billing.open_wallet()
    await billing.post(top_up_entry("payment:1", 1_000))
    await billing.post(grant_entry("gift:1", 100, GrantSource.GIFT, expires_at=SOON))
    return billing


def left(billing: MemoryBilling) -> dict[str, int]:
    return {one.source.value: one.left_micros for one in billing.grants.values()}


def balances(billing: MemoryBilling) -> dict[str, int]:
    return {kind.value: micros for kind, micros in billing.balance.items() if micros}


async def test_a_wallet_has_what_its_grants_have(wallet: MemoryBilling) -> None:
    assert balances(wallet) == {"AVAILABLE": 1_100, "FUNDING": -1_000, "PROMOTION": -100}
    assert left(wallet) == {"TOPUP": 1_000, "GIFT": 100}


async def test_a_hold_takes_from_no_grant_and_its_settlement_from_what_expires_first(wallet: MemoryBilling) -> None:
    await take_hold(wallet, JOB, 500)
    assert left(wallet) == {"TOPUP": 1_000, "GIFT": 100}
    await close_hold(wallet, JOB, 1, 130)
    assert left(wallet) == {"TOPUP": 970, "GIFT": 0}
    assert wallet.balance[AccountKind.AVAILABLE] == 970


async def test_expired_credit_leaves_the_wallet_once(wallet: MemoryBilling) -> None:
    assert await expire_credit(wallet, SOON - timedelta(microseconds=1)) == 0
    assert await expire_credit(wallet, SOON) == 100
    assert await expire_credit(wallet, LATER) == 0
    assert balances(wallet) == {"AVAILABLE": 1_000, "EXPIRED": 100, "FUNDING": -1_000, "PROMOTION": -100}


async def test_expired_credit_covers_no_new_hold_and_no_extension(wallet: MemoryBilling) -> None:
    await take_hold(wallet, JobId(new_id()), 1)
    wallet.now = SOON
    with pytest.raises(QuotaExhausted) as caught:
        await take_hold(wallet, JOB, 1_100)
    assert caught.value.available.micros == 1_000
    await take_hold(wallet, JOB, 1_000)
    with pytest.raises(QuotaExhausted):
        await extend_hold(wallet, JOB, 1)


async def test_a_late_settlement_spends_what_expired_while_it_was_held(wallet: MemoryBilling) -> None:
    """The rule for late events: the hold counts, not the moment of its settlement."""
    await take_hold(wallet, JOB, 60)
    assert await expire_credit(wallet, LATER) == 40
    assert left(wallet) == {"TOPUP": 1_000, "GIFT": 60}
    await close_hold(wallet, JOB, 1, 50)
    assert left(wallet) == {"TOPUP": 1_000, "GIFT": 10}
    assert await expire_credit(wallet, LATER + HOUR) == 10
    assert wallet.balance[AccountKind.AVAILABLE] == 1_000


async def test_a_younger_hold_leaves_what_an_older_one_may_spend(wallet: MemoryBilling) -> None:
    young = JobId(new_id())
    await take_hold(wallet, JOB, 60)
    wallet.now = LATER
    await take_hold(wallet, young, 700)
    await close_hold(wallet, young, 1, 700)
    assert left(wallet) == {"TOPUP": 300, "GIFT": 60}
    await close_hold(wallet, JOB, 1, 60)
    assert left(wallet) == {"TOPUP": 300, "GIFT": 0}


async def test_a_correction_downwards_leaves_what_a_hold_may_spend_of_an_expired_grant(wallet: MemoryBilling) -> None:
    await take_hold(wallet, JOB, 60)
    await expire_credit(wallet, LATER)
    grants = await wallet.lock_wallet()
    entry = adjust_entry("adjust:1", -1_000, "a mistake", grants, UserId(new_id()), at=LATER)
    await wallet.post(entry)
    assert left(wallet) == {"TOPUP": 0, "GIFT": 60}
    with pytest.raises(ValueError, match="1 micro-units short"):
        adjust_entry("adjust:2", -1_061, "a mistake", grants, UserId(new_id()), at=LATER)


@pytest.mark.parametrize("source", GrantSource)
def test_without_a_priority_what_was_paid_for_is_spent_last(source: GrantSource) -> None:
    given, paid = grant_entry("g", 5, source), top_up_entry("p", 5)
    assert given.opens[0].priority <= paid.opens[0].priority
    assert grant_entry("g", 5, source, priority=99).opens[0].priority == 99


def test_a_grant_of_nothing_is_none() -> None:
    for micros in (0, -1):
        with pytest.raises(ValueError, match="more than nothing"):
            top_up_entry("p", micros)
