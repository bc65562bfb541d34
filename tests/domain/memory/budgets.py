"""Budgets and the alert of the wallet, in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.billing.budgets import Budget, BudgetExceeded, BudgetPeriod, BudgetSubject, Settled, Spender, starts_on
from domain.billing.store import LowWallet
from domain.ids import BudgetId, JobId


@dataclass(slots=True)
class Taken:
    reserved: int = 0
    spent: int = 0


class MemoryBudgets:
    """Implements `domain.billing.budgets.BudgetStore`. What is refused takes nothing."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.budgets: dict[BudgetId, Budget] = {}
        self.periods: dict[tuple[BudgetId, date], Taken] = defaultdict(Taken)
        self.reservations: dict[tuple[JobId, BudgetId], tuple[date, int]] = {}

    async def reserve(self, job_id: JobId, spender: Spender, micros: int) -> None:
        matching = [one for one in self._live() if (one.subject, one.subject_key) in spender.subjects]
        self._reserve(job_id, [(one, starts_on(one.period, self._now())) for one in matching], micros)

    async def reserve_more(self, job_id: JobId, micros: int) -> None:
        noted = {key[1]: first for key, (first, _) in self.reservations.items() if key[0] == job_id}
        self._reserve(job_id, [(one, noted[one.id]) for one in self._live() if one.id in noted], micros)

    def _reserve(self, job_id: JobId, matching: list[tuple[Budget, date]], micros: int) -> None:
        left = []
        for budget, first in matching:
            taken = self.periods[budget.id, first]
            left.append((budget.limit_micros - taken.reserved - taken.spent, budget.id))
        if micros and left and min(left)[0] < micros:
            raise BudgetExceeded(min(left)[1], micros, min(left)[0])
        for budget, first in matching:
            _, before = self.reservations.get((job_id, budget.id), (first, 0))
            self.reservations[job_id, budget.id] = first, before + micros
            self.periods[budget.id, first].reserved += micros

    async def settle(self, job_id: JobId, charged_micros: int) -> Sequence[Settled]:
        settled = []
        for key in [one for one in self.reservations if one[0] == job_id]:
            first, micros = self.reservations.pop(key)
            taken = self.periods[key[1], first]
            taken.reserved -= micros
            taken.spent += charged_micros
            budget = self.budgets[key[1]]
            if charged_micros and budget.deleted_at is None:
                settled.append(Settled(budget, first, taken.spent - charged_micros, taken.spent))
        return settled

    async def add(self, budget: Budget) -> None:
        if await self.budget_of(BudgetSubject(budget.subject), budget.subject_key, BudgetPeriod(budget.period)):
            raise ValueError("budgets_one_live_idx")
        if budget.limit_micros <= 0 or (budget.subject == BudgetSubject.TENANT) != (not budget.subject_key):
            raise ValueError("budgets_limit_check or budgets_subject_key_check")
        self.budgets[budget.id] = budget

    async def budget(self, budget_id: BudgetId) -> Budget | None:
        return next((one for one in self._live() if one.id == budget_id), None)

    async def budget_of(self, subject: BudgetSubject, key: str, period: BudgetPeriod) -> Budget | None:
        wanted = (subject, key, period)
        return next((one for one in self._live() if (one.subject, one.subject_key, one.period) == wanted), None)

    async def count(self) -> int:
        return len(self._live())

    def _live(self) -> list[Budget]:
        return [one for one in self.budgets.values() if one.deleted_at is None]


class MemoryAlerts:
    """Implements `domain.billing.store.AlertStore`."""

    def __init__(self, credit: Callable[[], int]) -> None:
        self._credit = credit
        self.threshold: int | None = None
        self.told = False

    async def set_threshold(self, micros: int | None) -> None:
        self.threshold, self.told = micros, False

    async def fallen(self, by_micros: int) -> LowWallet | None:
        credit = self._credit()
        if self.threshold is None:
            return None
        news = credit < self.threshold and (not self.told or credit + by_micros >= self.threshold)
        self.told = credit < self.threshold
        return LowWallet(credit, self.threshold) if news else None
