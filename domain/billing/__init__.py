"""Billing: prices, the ledger and its holds, grants, usage. This is what other rooms need of it.

money       amounts, and QuotaExhausted
prices      versioned rows, the choice between them, what a call costs; price_list reads what operators write
grants      where credit came from and in which order it is spent
ledger      entries that balance
holds       a job's hold from its opening to its settlement
usage       records, reports, a provider's statement
payments    the port to a payment service
store       the room of a unit of work
service     use cases
"""

from domain.billing.holds import book_usage, close_hold, extend_hold, take_hold
from domain.billing.ledger import AccountKind, top_up_entry
from domain.billing.money import Money, QuotaExhausted
from domain.billing.prices import Price, Usage, cost
from domain.billing.store import BillingStore
from domain.billing.usage import UsageRecord

__all__ = [
    "AccountKind",
    "BillingStore",
    "Money",
    "Price",
    "QuotaExhausted",
    "Usage",
    "UsageRecord",
    "book_usage",
    "close_hold",
    "cost",
    "extend_hold",
    "take_hold",
    "top_up_entry",
]
