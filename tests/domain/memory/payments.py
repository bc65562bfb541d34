"""The payments room, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.billing.ledger import AccountKind
from domain.ids import InvoiceId, PaymentId, PaymentMethodId, RefundId
from domain.payments.entities import (
    AutomaticSoFar,
    AutomaticTopUp,
    Payment,
    PaymentMethod,
    PaymentPurpose,
    PaymentState,
    Refund,
    RefundOrigin,
    RefundState,
)
from tests.domain.memory.billing import MemoryBilling


class MemoryPayments:
    """Implements `domain.payments.store.PaymentStore`."""

    def __init__(self, billing: MemoryBilling) -> None:
        self._billing = billing
        self.payments: dict[PaymentId, Payment] = {}
        self.refunds: dict[RefundId, Refund] = {}
        self.methods: dict[PaymentMethodId, PaymentMethod] = {}
        self.customers: dict[str, str] = {}
        self.wanted: AutomaticTopUp | None = None
        self.events: set[tuple[str, str]] = set()

    async def add(self, payment: Payment) -> bool:
        automatic = payment.purpose == PaymentPurpose.AUTO_TOP_UP
        pending = any(one.purpose == payment.purpose and _open(one) for one in self.payments.values())
        if await self.by_key(payment.key) is not None or (automatic and pending):
            return False
        self.payments[payment.id] = payment
        return True

    async def by_key(self, key: str) -> Payment | None:
        return next((one for one in self.payments.values() if one.key == key), None)

    async def pending_for(self, invoice_id: InvoiceId, gateway: str) -> Payment | None:
        mine = (one for one in self.payments.values() if one.invoice_id == invoice_id and one.gateway == gateway)
        return next((one for one in mine if _open(one)), None)

    async def lock(self, payment_id: PaymentId) -> Payment | None:
        return self.payments.get(payment_id)

    async def pending(self, gateway: str, before: datetime) -> Sequence[Payment]:
        return [one for one in self.payments.values() if _open(one) and one.gateway == gateway and _old(one, before)]

    async def automatic_so_far(self, since: datetime) -> AutomaticSoFar:
        own = [one for one in self.payments.values() if one.purpose == PaymentPurpose.AUTO_TOP_UP]
        made = [one for one in own if one.state != PaymentState.FAILED and not _old(one, since)]
        failed = [one.finished_at for one in own if one.state == PaymentState.FAILED and one.finished_at is not None]
        micros = sum(one.amount_micros for one in made)
        return AutomaticSoFar(len(own), any(map(_open, own)), micros, max(failed, default=None))

    async def customer(self, gateway: str) -> str | None:
        return self.customers.get(gateway)

    async def add_customer(self, gateway: str, external_id: str) -> str:
        return self.customers.setdefault(gateway, external_id)

    async def default_method(self, gateway: str) -> PaymentMethod | None:
        return next((one for one in self.methods.values() if one.is_default and one.gateway == gateway), None)

    async def method(self, method_id: PaymentMethodId) -> PaymentMethod | None:
        return self.methods.get(method_id)

    async def save_method(self, method: PaymentMethod) -> None:
        for one in self.methods.values():
            one.is_default = False
        known = next((one for one in self.methods.values() if one.external_id == method.external_id), method)
        known.is_default = True
        self.methods[known.id] = known

    async def remove_method(self, method: PaymentMethod) -> None:
        self.methods.pop(method.id, None)
        if self.methods and await self.default_method(method.gateway) is None:
            list(self.methods.values())[-1].is_default = True

    async def add_refund(self, refund: Refund) -> bool:
        if await self.refund_by_key(refund.key) is not None:
            return False
        self.refunds[refund.id] = refund
        return True

    async def disputed_micros(self, payment_id: PaymentId) -> int:
        wanted = (payment_id, RefundOrigin.DISPUTE, RefundState.SUCCEEDED)
        return sum(
            one.amount_micros for one in self.refunds.values() if (one.payment_id, one.origin, one.state) == wanted
        )

    async def taken_micros(self, payment_id: PaymentId) -> int:
        return sum(one.taken_micros for one in self.refunds.values() if one.payment_id == payment_id)

    async def refund_by_key(self, key: str) -> Refund | None:
        return next((one for one in self.refunds.values() if one.key == key), None)

    async def lock_refund(self, refund_id: RefundId) -> Refund | None:
        return self.refunds.get(refund_id)

    async def pending_refunds(self, gateway: str, before: datetime) -> Sequence[Refund]:
        waiting = [one for one in self.refunds.values() if one.state == RefundState.PENDING]
        return [one for one in waiting if one.created_at is not None and one.created_at < before]

    async def automatic(self) -> AutomaticTopUp | None:
        return self.wanted

    async def lock_automatic(self) -> AutomaticTopUp | None:
        return self.wanted

    async def set_automatic(self, wanted: AutomaticTopUp) -> None:
        self.wanted = wanted

    async def available_micros(self) -> int:
        return self._billing.balance[AccountKind.AVAILABLE]

    async def note_event(self, gateway: str, event_id: str) -> bool:
        new = (gateway, event_id) not in self.events
        self.events.add((gateway, event_id))
        return new


def _open(payment: Payment) -> bool:
    return payment.state == PaymentState.PENDING


def _old(payment: Payment, before: datetime) -> bool:
    return payment.created_at is not None and payment.created_at < before
