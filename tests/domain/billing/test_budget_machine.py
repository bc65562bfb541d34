"""Budgets under any order of events: what is reserved is what running jobs have, and no reservation passes a limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Coroutine
from datetime import date, timedelta
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.billing import BudgetExceeded, Spender, close_hold, extend_hold, take_hold, top_up_entry
from domain.billing.budgets import Budget, BudgetPeriod, BudgetSubject, starts_on
from domain.ids import BudgetId, JobId, TenantId, UserId, new_id
from tests.domain.memory import MemoryBilling

T = TypeVar("T")
PEOPLE = [UserId(new_id()) for _ in range(2)]
MODELS = ["writer", "thinker"]
micros = st.integers(0, 120)
spenders = st.builds(Spender, st.sampled_from(PEOPLE), st.none(), st.sampled_from(MODELS))
subjects = st.sampled_from(
    [(BudgetSubject.TENANT, "")]
    + [(BudgetSubject.MEMBER, str(one)) for one in PEOPLE]
    + [(BudgetSubject.MODEL, one) for one in MODELS]
)


def run(step: Coroutine[Any, Any, T]) -> T:
    """The memory never waits."""
    try:
        step.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("a step waits")


class Budgets(RuleBasedStateMachine):
    """Beside the store: what each job has reserved of which budget, and what each budget's jobs were charged."""

    def __init__(self) -> None:
        super().__init__()
        self.billing = MemoryBilling()
        self.store = self.billing.budgets
        self.held: dict[JobId, int] = {}
        self.parts: dict[JobId, dict[tuple[BudgetId, date], int]] = {}
        self.spent: dict[tuple[BudgetId, date], int] = defaultdict(int)

    @initialize()
    def credit(self) -> None:
        run(self.billing.open_wallet())
        run(self.billing.post(top_up_entry("all", 10**9)))

    @rule(subject=subjects, period=st.sampled_from(BudgetPeriod), limit=st.integers(1, 300))
    def set_limit(self, subject: tuple[BudgetSubject, str], period: BudgetPeriod, limit: int) -> None:
        known = run(self.store.budget_of(*subject, period))
        if known is not None:
            known.limit_micros = limit
        else:
            run(self.store.add(Budget(TenantId(new_id()), BudgetId(new_id()), *subject, period, limit)))

    @precondition(lambda self: self.store.budgets)
    @rule(number=st.integers(0, 50))
    def delete(self, number: int) -> None:
        budgets = [*self.store.budgets.values()]
        budgets[number % len(budgets)].deleted_at = self.billing.now

    @rule(hours=st.integers(1, 24 * 20))
    def wait(self, hours: int) -> None:
        self.billing.now += timedelta(hours=hours)

    def left(self, key: tuple[BudgetId, date]) -> int:
        taken = self.store.periods[key]
        return self.store.budgets[key[0]].limit_micros - taken.reserved - taken.spent

    @rule(spender=spenders, amount=micros)
    def start(self, spender: Spender, amount: int) -> None:
        live = [one for one in self.store.budgets.values() if one.deleted_at is None]
        mine = [one for one in live if (one.subject, one.subject_key) in spender.subjects]
        keys = [(one.id, starts_on(one.period, self.billing.now)) for one in mine]
        least = min((self.left(key) for key in keys), default=amount)
        job_id = JobId(new_id())
        try:
            run(take_hold(self.billing, job_id, amount, spender))
        except BudgetExceeded as refused:
            assert least < amount
            assert refused.left.micros == max(least, 0)
            return
        assert least >= amount or not amount
        self.held[job_id], self.parts[job_id] = amount, dict.fromkeys(keys, amount)

    @precondition(lambda self: self.held)
    @rule(number=st.integers(0, 50), amount=micros.filter(bool))
    def extend(self, number: int, amount: int) -> None:
        job_id = [*self.held][number % len(self.held)]
        keys = [key for key in self.parts[job_id] if self.store.budgets[key[0]].deleted_at is None]
        try:
            run(extend_hold(self.billing, job_id, amount))
        except BudgetExceeded:
            assert min(self.left(key) for key in keys) < amount
            return
        self.held[job_id] += amount
        for key in keys:
            self.parts[job_id][key] += amount

    @precondition(lambda self: self.held)
    @rule(number=st.integers(0, 50), cost=micros)
    def end(self, number: int, cost: int) -> None:
        job_id = [*self.held][number % len(self.held)]
        charged = run(close_hold(self.billing, job_id, 1, cost))
        assert charged == min(cost, self.held.pop(job_id))
        for key in self.parts.pop(job_id):
            self.spent[key] += charged
        assert run(close_hold(self.billing, job_id, 1, cost)) == 0

    @invariant()
    def what_is_reserved_is_what_running_jobs_have(self) -> None:
        reserved: dict[tuple[BudgetId, date], int] = defaultdict(int)
        for parts in self.parts.values():
            for key, amount in parts.items():
                reserved[key] += amount
        for key, taken in self.store.periods.items():
            assert (taken.reserved, taken.spent) == (reserved[key], self.spent[key])
            assert taken.reserved >= 0


TestBudgets = Budgets.TestCase
TestBudgets.settings = settings(max_examples=100, stateful_step_count=30, deadline=None, derandomize=True)
