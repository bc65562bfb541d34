"""The ledger: entries that balance, and charges that never pass their hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.billing import AccountKind, Money, QuotaExhausted, close_hold, extend_hold, take_hold, top_up_entry
from domain.billing.grants import GrantSource
from domain.billing.ledger import (
    Entry,
    EntryKind,
    Posting,
    cost_entry,
    extend_entry,
    grant_entry,
    hold_entry,
    release_entry,
    settle_entry,
)
from domain.ids import JobId, new_id
from tests.domain.memory import MemoryBilling

JOB = JobId(new_id())
micros = st.integers(1, 2**50)


def moved(entry: Entry) -> dict[str, int]:
    return {posting.account: posting.micros for posting in entry.postings}


# Entries.


@given(micros, st.integers(1, 2**50))
def test_every_entry_sums_to_zero_and_moves_something_in_each_of_its_postings(held: int, spent: int) -> None:
    for entry in (
        hold_entry(JOB, held),
        settle_entry(JOB, 1, held, spent),
        release_entry(JOB, held),
        extend_entry(JOB, held, held + spent),
        cost_entry(JOB, 1, "LLM", spent),
        top_up_entry("payment:1", held),
        grant_entry("coupon:1", held, GrantSource.COUPON),
    ):
        assert sum(posting.micros for posting in entry.postings) == 0
        assert len(entry.postings) >= 2
        assert all(posting.micros for posting in entry.postings)


def test_a_hold_moves_credit_out_of_reach() -> None:
    assert hold_entry(JOB, 700) == Entry(
        EntryKind.HOLD,
        f"job:{JOB}",
        (Posting(AccountKind.AVAILABLE, -700), Posting(AccountKind.HELD, 700)),
        JOB,
    )


def test_a_settlement_spends_what_was_used_and_gives_the_rest_back() -> None:
    entry = settle_entry(JOB, 2, held_micros=700, cost_micros=450)
    assert (entry.kind, entry.reference, entry.job_id) == (EntryKind.SETTLE, f"job:{JOB}:2", JOB)
    assert moved(entry) == {"HELD": -700, "SPENT": 450, "AVAILABLE": 250}


def test_a_settlement_of_exactly_the_hold_gives_nothing_back() -> None:
    assert moved(settle_entry(JOB, 1, 700, 700)) == {"HELD": -700, "SPENT": 700}


def test_what_a_call_cost_beyond_its_hold_is_the_operators() -> None:
    assert moved(settle_entry(JOB, 1, 700, 1_000)) == {"HELD": -700, "SPENT": 700, "OVERRUN": 300, "FUNDING": -300}


@given(micros, micros)
def test_the_author_never_pays_more_than_was_held(held: int, spent: int) -> None:
    change = moved(settle_entry(JOB, 1, held, spent))
    assert change["SPENT"] == min(held, spent)
    assert change.get(AccountKind.AVAILABLE, 0) == max(held - spent, 0)
    assert change.get(AccountKind.OVERRUN, 0) == max(spent - held, 0)


def test_a_release_gives_all_back() -> None:
    entry = release_entry(JOB, 700)
    assert (entry.kind, moved(entry)) == (EntryKind.RELEASE, {"HELD": -700, "AVAILABLE": 700})


# Holds.


@pytest.fixture
async def wallet() -> MemoryBilling:
    billing = MemoryBilling()
    await billing.open_wallet()
    await billing.post(top_up_entry("starting-credit", 1_000))
    return billing


def balances(billing: MemoryBilling) -> list[int]:
    return [billing.balance[kind] for kind in (AccountKind.AVAILABLE, AccountKind.HELD, AccountKind.SPENT)]


async def test_a_wallet_covers_a_hold_of_all_it_has_and_not_one_micro_more(wallet: MemoryBilling) -> None:
    with pytest.raises(QuotaExhausted) as caught:
        await take_hold(wallet, JOB, 1_001)
    assert (caught.value.needed, caught.value.available) == (Money(1_001), Money(1_000))
    await take_hold(wallet, JOB, 1_000)
    assert balances(wallet) == [0, 1_000, 0]


async def test_a_hold_closes_once(wallet: MemoryBilling) -> None:
    await take_hold(wallet, JOB, 600)
    charged = [await close_hold(wallet, JOB, *again) for again in ((1, 200), (1, 200), (2, 500))]
    assert charged == [200, 0, 0]
    assert await wallet.charged(JOB) == 200
    assert balances(wallet) == [800, 0, 200]


async def test_what_a_job_is_charged_never_passes_its_hold(wallet: MemoryBilling) -> None:
    await take_hold(wallet, JOB, 600)
    assert await close_hold(wallet, JOB, 1, 601) == 600
    assert (await wallet.charged(JOB), wallet.balance[AccountKind.OVERRUN]) == (600, 1)


async def test_what_a_job_cost_for_which_nothing_was_held_is_the_operators(wallet: MemoryBilling) -> None:
    assert [await close_hold(wallet, JOB, attempt, 70) for attempt in (1, 2)] == [0, 0]
    assert balances(wallet) == [1_000, 0, 0]
    assert (await wallet.charged(JOB), wallet.balance[AccountKind.OVERRUN]) == (0, 70)


async def test_a_job_that_cost_nothing_has_its_hold_released(wallet: MemoryBilling) -> None:
    await take_hold(wallet, JOB, 600)
    await close_hold(wallet, JOB, 1, 0)
    assert balances(wallet) == [1_000, 0, 0]
    assert [entry.kind for entry in wallet.entries] == ["TOP_UP", "HOLD", "RELEASE"]


async def test_a_hold_grows_while_there_is_credit_and_not_one_micro_beyond(wallet: MemoryBilling) -> None:
    await take_hold(wallet, JOB, 600)
    assert await extend_hold(wallet, JOB, 300) == 900
    assert balances(wallet) == [100, 900, 0]
    with pytest.raises(QuotaExhausted):
        await extend_hold(wallet, JOB, 101)
    assert [(entry.kind, entry.reference) for entry in wallet.entries[1:]] == [
        ("HOLD", f"job:{JOB}"), ("EXTEND", f"job:{JOB}:900")]  # fmt: skip

    assert balances(wallet) == [100, 900, 0]
    assert await wallet.held(JOB) == 900


async def test_a_free_job_that_starts_to_cost_gets_a_hold(wallet: MemoryBilling) -> None:
    await take_hold(wallet, JOB, 0)
    assert await extend_hold(wallet, JOB, 40) == 40
    assert await extend_hold(wallet, JOB, 2) == 42
    assert [(entry.kind, entry.reference) for entry in wallet.entries[1:]] == [
        ("HOLD", f"job:{JOB}"), ("EXTEND", f"job:{JOB}:42")]  # fmt: skip
    assert await close_hold(wallet, JOB, 1, 41) == 41
    assert balances(wallet) == [959, 0, 41]


async def test_a_hold_that_is_closed_does_not_grow(wallet: MemoryBilling) -> None:
    await take_hold(wallet, JOB, 600)
    await close_hold(wallet, JOB, 1, 600)
    assert await extend_hold(wallet, JOB, 1) is None
    assert balances(wallet) == [400, 0, 600]


async def test_an_extended_hold_is_settled_whole(wallet: MemoryBilling) -> None:
    await take_hold(wallet, JOB, 600)
    await extend_hold(wallet, JOB, 300)
    await close_hold(wallet, JOB, 1, 850)
    assert balances(wallet) == [150, 0, 850]


async def test_a_free_model_needs_no_hold_and_no_credit() -> None:
    empty = MemoryBilling()
    await empty.open_wallet()
    await take_hold(empty, JOB, 0)
    await close_hold(empty, JOB, 1, 0)
    assert (empty.entries, empty.holds) == ([], {})


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 2_000)), max_size=12))
async def test_a_wallet_never_goes_below_zero_and_all_of_it_is_accounted_for(calls: list[tuple[int, int]]) -> None:
    billing = MemoryBilling()
    await billing.open_wallet()
    await billing.post(top_up_entry("starting-credit", 3_000))
    spent = 0
    for held, used in calls:
        job_id = JobId(new_id())
        try:
            await take_hold(billing, job_id, held)
        except QuotaExhausted:
            continue
        await close_hold(billing, job_id, 1, used)
        spent += min(held, used)
    assert balances(billing) == [3_000 - spent, 0, spent]
    assert sum(billing.balance.values()) == 0
