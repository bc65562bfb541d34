"""Credit by hand: who may, once for each key, and undone at most once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.accounts import Actor, Permission
from domain.billing import AccountKind, close_hold, take_hold
from domain.billing.grants import GrantSource
from domain.billing.holds import expire_credit
from domain.billing.ledger import EntryKind, grant_entry, hold_entry, top_up_entry
from domain.billing.service import Change, adjust, forget_usage, reverse
from domain.errors import ErrorCode, Forbidden
from domain.ids import JobId, LedgerEntryId, UserId, new_id
from tests.domain.world import World, refused


@pytest.fixture
async def wallet(world: World) -> World:
    """A credit of 1,000."""
    await world.credit(1_000)
    return world


def operator(world: World) -> Actor:
    return replace(world.author, permissions=world.author.permissions | {Permission.PLATFORM})


def available(world: World) -> int:
    return world.uow.billing.balance[AccountKind.AVAILABLE]


# By hand.


async def test_a_correction_upwards_is_a_gift_with_a_reason(wallet: World) -> None:
    entry = wallet.uow.billing.ids[await adjust(wallet.uow, operator(wallet), Change(50, "k", " an outage "))]
    assert (entry.kind, entry.reason, [one.source for one in entry.opens]) == ("ADJUST", "an outage", ["GIFT"])
    assert (available(wallet), wallet.uow.billing.balance[AccountKind.ADJUSTMENT]) == (1_050, -50)


async def test_a_correction_downwards_takes_all_that_can_be_spent_and_nothing_that_is_held(wallet: World) -> None:
    await take_hold(wallet.uow.billing, JobId(new_id()), 400)
    for micros in (-601, -1_001):
        with refused(ErrorCode.QUOTA_EXHAUSTED):
            await adjust(wallet.uow, operator(wallet), Change(micros, f"k{micros}", "a mistake"))
    await adjust(wallet.uow, operator(wallet), Change(-600, "k", "a mistake"))
    assert (available(wallet), wallet.uow.billing.balance[AccountKind.HELD]) == (0, 400)


async def test_a_correction_needs_an_amount_a_reason_and_the_platform(wallet: World) -> None:
    with refused(ErrorCode.BAD_USER_INPUT, "amount"):
        await adjust(wallet.uow, operator(wallet), Change(0, "k", "why"))
    with refused(ErrorCode.EMPTY, "reason"):
        await adjust(wallet.uow, operator(wallet), Change(5, "k", " "))
    with pytest.raises(Forbidden):
        await adjust(wallet.uow, wallet.author, Change(5, "k", "why"))


async def test_a_repeated_correction_corrects_once(wallet: World) -> None:
    once, again = [await adjust(wallet.uow, operator(wallet), Change(5, "k", "why")) for _ in range(2)]
    assert (once, available(wallet)) == (again, 1_005)


async def test_a_correction_whose_key_was_forgotten_is_still_one_correction(wallet: World) -> None:
    once = await adjust(wallet.uow, operator(wallet), Change(5, "k", "why"))
    wallet.uow.jobs.keys.clear()
    assert await adjust(wallet.uow, operator(wallet), Change(5, "k", " why ")) == once
    for other in (Change(6, "k", "why"), Change(5, "k", "why not")):
        wallet.uow.jobs.keys.clear()
        with refused(ErrorCode.IDEMPOTENCY_CONFLICT, "idempotencyKey"):
            await adjust(wallet.uow, operator(wallet), other)
    assert available(wallet) == 1_005
    another = replace(operator(wallet), user_id=UserId(new_id()))
    wallet.uow.jobs.keys.clear()
    assert await adjust(wallet.uow, another, Change(5, "k", "why")) != once


async def test_who_moved_credit_by_hand_is_in_the_log_once(wallet: World) -> None:
    boss = operator(wallet)
    paid = await wallet.uow.billing.post(top_up_entry("paid", 7))
    for _ in range(2):
        await adjust(wallet.uow, boss, Change(-5, "k", "why"), request_id="r-2")
        await reverse(wallet.uow, boss, paid, "a mistake", "k", request_id="r-3")
    log = wallet.uow.audit.entries
    assert [(one.action, one.subject_type, one.details, one.request_id) for one in log] == [
        ("credit.adjust", "LedgerEntry", {"amount_micros": -5, "reason": "why"}, "r-2"),
        ("ledger_entry.reverse", "LedgerEntry", {"reason": "a mistake"}, "r-3"),
    ]
    assert (log[1].subject_id, log[0].user_id) == (paid, boss.user_id)


# Undoing.


async def undo(world: World, entry_id: LedgerEntryId, key: str = "undo") -> LedgerEntryId:
    return await reverse(world.uow, operator(world), entry_id, "a mistake", key)


async def settled(world: World, held: int, spent: int) -> LedgerEntryId:
    job_id = JobId(new_id())
    await take_hold(world.uow.billing, job_id, held)
    await close_hold(world.uow.billing, job_id, 1, spent)
    return next(id_ for id_, one in world.uow.billing.ids.items() if (one.kind, one.job_id) == ("SETTLE", job_id))


async def test_a_settlement_undone_gives_back_what_was_charged_to_the_grants_it_came_from(wallet: World) -> None:
    soon = wallet.uow.now + timedelta(hours=1)
    await wallet.uow.billing.post(grant_entry("gift", 100, GrantSource.GIFT, expires_at=soon))
    entry_id = await settled(wallet, held=400, spent=300)
    assert [one.left_micros for one in wallet.uow.billing.grants.values()] == [800, 0]
    entry = wallet.uow.billing.ids[await undo(wallet, entry_id)]
    assert (entry.kind, entry.reverses_id, entry.reference) == ("REVERSAL", entry_id, f"entry:{entry_id}")
    assert [one.left_micros for one in wallet.uow.billing.grants.values()] == [1_000, 100]
    balance = wallet.uow.billing.balance
    assert (available(wallet), balance[AccountKind.HELD], balance[AccountKind.SPENT]) == (1_100, 0, 0)


async def test_an_overrun_undone_is_no_longer_the_operators(wallet: World) -> None:
    await undo(wallet, await settled(wallet, held=400, spent=450))
    assert (available(wallet), wallet.uow.billing.balance[AccountKind.OVERRUN]) == (1_000, 0)


async def test_a_payment_undone_takes_its_credit_and_what_of_it_is_spent_from_other_grants(wallet: World) -> None:
    entry_id = next(iter(wallet.uow.billing.ids))
    await wallet.uow.billing.post(top_up_entry("more", 500))
    await settled(wallet, held=400, spent=300)
    await undo(wallet, entry_id)
    assert sorted(one.left_micros for one in wallet.uow.billing.grants.values()) == [0, 200]
    assert available(wallet) == 200


async def test_credit_that_has_been_spent_cannot_be_taken_back(wallet: World) -> None:
    await settled(wallet, held=400, spent=1)
    with refused(ErrorCode.QUOTA_EXHAUSTED):
        await undo(wallet, next(iter(wallet.uow.billing.ids)))


async def test_an_entry_is_undone_once(wallet: World) -> None:
    entry_id = await settled(wallet, held=400, spent=300)
    assert await undo(wallet, entry_id) == await undo(wallet, entry_id)
    with refused(ErrorCode.ALREADY_EXISTS, "id"):
        await undo(wallet, entry_id, "another key")
    assert available(wallet) == 1_000


async def test_holds_expiries_and_reversals_are_not_undone(wallet: World) -> None:
    hold_id = await wallet.uow.billing.post(hold_entry(JobId(new_id()), 5))
    reversal_id = await undo(wallet, await settled(wallet, held=4, spent=3))
    for entry_id in (hold_id, reversal_id):
        with refused(ErrorCode.INVALID_STATE, "id"):
            await undo(wallet, entry_id, str(entry_id))


async def test_only_the_platform_undoes_and_only_what_there_is(wallet: World) -> None:
    entry_id = next(iter(wallet.uow.billing.ids))
    with pytest.raises(Forbidden):
        await reverse(wallet.uow, wallet.author, entry_id, "a mistake", "k")
    with refused(ErrorCode.NOT_FOUND, "id"):
        await undo(wallet, LedgerEntryId(new_id()))


# Time.


async def test_expiry_is_an_entry_for_each_grant_and_happens_once(wallet: World) -> None:
    soon = wallet.uow.now + timedelta(hours=1)
    for name in ("one", "two"):
        await wallet.uow.billing.post(grant_entry(name, 100, GrantSource.COUPON, expires_at=soon))
    assert [await expire_credit(wallet.uow.billing, soon) for _ in range(2)] == [200, 0]
    assert [one.kind for one in wallet.uow.billing.entries].count(EntryKind.EXPIRE) == 2


async def test_usage_is_kept_for_a_month_at_least(wallet: World) -> None:
    assert await forget_usage(wallet.uow, 30) == 0
    with pytest.raises(ValueError, match="at least 30 days"):
        await forget_usage(wallet.uow, 29)
