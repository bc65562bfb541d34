"""A wallet under any order of events: what it has is accounted for, and nobody pays more than was held."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.billing import AccountKind, QuotaExhausted, UsageRecord, book_usage, close_hold, extend_hold, take_hold
from domain.billing.grants import GrantSource
from domain.billing.holds import expire_credit
from domain.billing.ledger import REVERSIBLE, EntryKind, adjust_entry, grant_entry, reversal_entry, top_up_entry
from domain.billing.prices import Usage
from domain.ids import JobId, LedgerEntryId, UserId, new_id
from tests.domain.memory import MemoryBilling

T = TypeVar("T")
amounts = st.integers(1, 200)
someone = UserId(new_id())


def run(work: Coroutine[Any, Any, T]) -> T:
    """What happens in memory never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


class Wallet(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.billing = MemoryBilling()
        run(self.billing.open_wallet())
        self.open_jobs: list[JobId] = []
        self.closed_jobs: list[JobId] = []
        self.held: dict[JobId, int] = {}
        self.charged: dict[JobId, int] = {}
        self.reversed: set[LedgerEntryId] = set()

    def pick(self, jobs: list[JobId], number: int) -> JobId:
        return jobs[number % len(jobs)]

    @rule(micros=st.integers(1, 40))
    def pay(self, micros: int) -> None:
        run(self.billing.post(top_up_entry(f"payment:{new_id()}", micros)))

    @rule(micros=amounts, hours=st.integers(1, 3), source=st.sampled_from(GrantSource))
    def give(self, micros: int, hours: int, source: GrantSource) -> None:
        expires_at = self.billing.now + timedelta(hours=hours)
        run(self.billing.post(grant_entry(f"gift:{new_id()}", micros, source, expires_at=expires_at)))

    @rule(minutes=st.integers(1, 240))
    def wait(self, minutes: int) -> None:
        self.billing.now += timedelta(minutes=minutes)

    @rule()
    def sweep(self) -> None:
        run(expire_credit(self.billing, self.billing.now))
        assert run(expire_credit(self.billing, self.billing.now)) == 0

    @rule(percent=st.integers(1, 101))
    def start(self, percent: int) -> None:
        """A hold of so much of what there is, or of a little more."""
        job_id = JobId(new_id())
        micros = max(self.live_credit() * percent // 100, 1)
        try:
            run(take_hold(self.billing, job_id, micros))
        except QuotaExhausted:
            assert self.live_credit() < micros
            return
        self.open_jobs.append(job_id)
        self.held[job_id] = micros

    def live_credit(self) -> int:
        return self.billing.balance[AccountKind.AVAILABLE]

    @precondition(lambda self: self.open_jobs)
    @rule(number=st.integers(0, 50), micros=amounts)
    def extend(self, number: int, micros: int) -> None:
        job_id = self.pick(self.open_jobs, number)
        if self.billing.balance[AccountKind.AVAILABLE] < micros:
            return  # a unit of work that is refused is rolled back, which the memory does not
        run(expire_credit(self.billing, self.billing.now))
        if self.billing.balance[AccountKind.AVAILABLE] < micros:
            return
        self.held[job_id] += micros
        assert run(extend_hold(self.billing, job_id, micros)) == self.held[job_id]

    @precondition(lambda self: self.open_jobs)
    @rule(number=st.integers(0, 50), spent=st.integers(0, 400))
    def end(self, number: int, spent: int) -> None:
        job_id = self.pick(self.open_jobs, number)
        run(close_hold(self.billing, job_id, 1, spent))
        self.open_jobs.remove(job_id)
        self.closed_jobs.append(job_id)
        self.charged[job_id] = min(spent, self.held[job_id])
        last = self.billing.entries[-1]
        opened_at = self.billing.holds[job_id].opened_at
        assert not any(self.billing.grants[move.grant_id].expired(opened_at) for move in last.moves)

    @precondition(lambda self: self.closed_jobs)
    @rule(number=st.integers(0, 50), spent=amounts)
    def end_again(self, number: int, spent: int) -> None:
        before = len(self.billing.entries)
        run(close_hold(self.billing, self.pick(self.closed_jobs, number), 2, spent))
        assert len(self.billing.entries) == before

    @precondition(lambda self: self.open_jobs)
    @rule(number=st.integers(0, 50), micros=amounts)
    def fail_an_attempt(self, number: int, micros: int) -> None:
        job_id, attempt = self.pick(self.open_jobs, number), len(self.billing.usage) + 1
        record = UsageRecord(job_id, attempt, "LLM", "m", "c", Usage(1, 1), micros, False, self.billing.now)
        before = dict(self.billing.balance)
        run(book_usage(self.billing, record))
        after = {kind: micros - before[kind] for kind, micros in self.billing.balance.items() if micros != before[kind]}
        assert after == {AccountKind.COST: micros, AccountKind.FUNDING: -micros}

    @rule(micros=st.integers(-200, 200).filter(bool))
    def adjust(self, micros: int) -> None:
        run(expire_credit(self.billing, self.billing.now))
        if self.billing.balance[AccountKind.AVAILABLE] + micros >= 0:
            grants = run(self.billing.lock_wallet())
            now = self.billing.now
            entry = adjust_entry(f"adjust:{new_id()}", micros, "a mistake", grants, someone, at=now)
            run(self.billing.post(entry))
            assert not any(self.billing.grants[move.grant_id].expired(now) for move in entry.moves)

    @precondition(lambda self: any(one.kind in REVERSIBLE for one in self.billing.entries))
    @rule(number=st.integers(0, 500))
    def reverse(self, number: int) -> None:
        entries = [(id_, one) for id_, one in self.billing.ids.items() if one.kind in REVERSIBLE]
        entry_id, entry = entries[number % len(entries)]
        run(expire_credit(self.billing, self.billing.now))
        gain = -entry.credit_micros
        if entry_id in self.reversed or self.billing.balance[AccountKind.AVAILABLE] + gain < 0:
            return
        grants = run(self.billing.lock_wallet())
        run(self.billing.post(reversal_entry(entry_id, entry, grants, "a mistake", someone, at=self.billing.now)))
        self.reversed.add(entry_id)
        if entry.kind is EntryKind.SETTLE and entry.job_id is not None:
            self.charged[entry.job_id] = 0

    @invariant()
    def everything_is_accounted_for(self) -> None:
        balance = self.billing.balance
        assert sum(balance.values()) == 0
        assert min(balance[AccountKind.AVAILABLE], balance[AccountKind.HELD]) >= 0
        credit = balance[AccountKind.AVAILABLE] + balance[AccountKind.HELD]
        assert sum(one.left_micros for one in self.billing.grants.values()) == credit
        assert balance[AccountKind.HELD] == sum(self.held[job_id] for job_id in self.open_jobs)
        assert balance[AccountKind.SPENT] == sum(self.charged.values())


TestWallet = Wallet.TestCase
TestWallet.settings = settings(max_examples=150, stateful_step_count=30, deadline=None, derandomize=True)
