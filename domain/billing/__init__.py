"""Billing: prices, the ledger and its holds, grants, usage. This is what other rooms need of it.

money       amounts, and QuotaExhausted
prices      versioned rows, the choice between them, what a call costs; price_list reads what operators write
grants      where credit came from and in which order it is spent
ledger      entries that balance
budgets     limits of what somebody spends in a period, reserved and not looked at
holds       a job's hold from its opening to its settlement
usage       records, reports, a provider's statement
store       the room of a unit of work
alerts      who is told when a budget or the wallet runs out
service     use cases; limits has those of budgets
"""

from domain.billing.budgets import BudgetExceeded, Spender
from domain.billing.holds import book_usage, close_hold, extend_hold, take_hold
from domain.billing.ledger import AccountKind, top_up_entry
from domain.billing.money import Money, QuotaExhausted
from domain.billing.prices import Price, Usage, cost
from domain.billing.store import BillingStore
from domain.billing.usage import UsageRecord

__all__ = [
    "AccountKind",
    "BillingStore",
    "BudgetExceeded",
    "Money",
    "Price",
    "QuotaExhausted",
    "Spender",
    "Usage",
    "UsageRecord",
    "book_usage",
    "close_hold",
    "cost",
    "extend_hold",
    "take_hold",
    "top_up_entry",
]
