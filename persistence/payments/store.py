"""The payments room of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, delete, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.billing.ledger import AccountKind
from domain.ids import InvoiceId, PaymentId, PaymentMethodId, RefundId, TenantId
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
from persistence.billing.tables import ledger_accounts
from persistence.payments.tables import (
    automatic_top_ups,
    payment_customers,
    payment_events,
    payment_methods,
    payment_refunds,
    payments,
)

ASKED_MAX = 100
"""So many rows one look for what is pending gives."""


def _row(entity: Any) -> dict[str, Any]:
    return {field.name: getattr(entity, field.name) for field in fields(entity)}


class SqlPayments:
    """Implements `domain.payments.store.PaymentStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    def _own(self, table: Table, **equal: Any) -> list[ColumnElement[bool]]:
        return [table.c.tenant_id == self._tenant_id, *(table.c[name] == value for name, value in equal.items())]

    async def _added(self, table: Table, entity: Any) -> bool:
        statement = insert(table).values(_row(entity)).on_conflict_do_nothing().returning(table.c.id)
        return await self._session.scalar(statement) is not None

    # -- payments -------------------------------------------------------------------------------------------------

    async def add(self, payment: Payment) -> bool:
        return await self._added(payments, payment)

    async def by_key(self, key: str) -> Payment | None:
        return (await self._session.scalars(select(Payment).where(*self._own(payments, key=key)))).one_or_none()

    async def pending_for(self, invoice_id: InvoiceId, gateway: str) -> Payment | None:
        wanted = self._own(payments, invoice_id=invoice_id, gateway=gateway, state=PaymentState.PENDING)
        oldest = select(Payment).where(*wanted).order_by(payments.c.created_at).limit(1)
        return (await self._session.scalars(oldest)).one_or_none()

    async def lock(self, payment_id: PaymentId) -> Payment | None:
        statement = select(Payment).where(*self._own(payments, id=payment_id)).with_for_update(key_share=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def pending(self, gateway: str, before: datetime) -> Sequence[Payment]:
        statement = (
            select(Payment)
            .where(
                *self._own(payments, gateway=gateway, state=PaymentState.PENDING), payments.c.created_at < before,
            )
            .order_by(payments.c.created_at)
            .limit(ASKED_MAX)
        )  # fmt: skip
        return (await self._session.scalars(statement)).all()

    async def automatic_so_far(self, since: datetime) -> AutomaticSoFar:
        paid = payments.c
        counts = paid.state != PaymentState.FAILED
        statement = select(
            func.count(),
            func.coalesce(func.bool_or(paid.state == PaymentState.PENDING), literal_column("false")),
            func.coalesce(func.sum(paid.amount_micros).filter(counts, paid.created_at >= since), 0),
            func.max(paid.finished_at).filter(paid.state == PaymentState.FAILED),
        ).where(*self._own(payments, purpose=PaymentPurpose.AUTO_TOP_UP))
        count, pending, micros, failed_at = (await self._session.execute(statement)).one()
        return AutomaticSoFar(count, pending, int(micros), failed_at)

    # -- who pays, and with what ----------------------------------------------------------------------------------

    async def customer(self, gateway: str) -> str | None:
        column = payment_customers.c.external_id
        return await self._session.scalar(select(column).where(*self._own(payment_customers, gateway=gateway)))

    async def add_customer(self, gateway: str, external_id: str) -> str:
        row = {"tenant_id": self._tenant_id, "gateway": gateway, "external_id": external_id}
        await self._session.execute(insert(payment_customers).values(row).on_conflict_do_nothing())
        return await self.customer(gateway) or external_id

    async def default_method(self, gateway: str) -> PaymentMethod | None:
        wanted = self._own(payment_methods, gateway=gateway, is_default=True)
        return (await self._session.scalars(select(PaymentMethod).where(*wanted))).one_or_none()

    async def method(self, method_id: PaymentMethodId) -> PaymentMethod | None:
        wanted = self._own(payment_methods, id=method_id)
        return (await self._session.scalars(select(PaymentMethod).where(*wanted))).one_or_none()

    async def save_method(self, method: PaymentMethod) -> None:
        await self._session.execute(
            update(payment_methods)
            .where(*self._own(payment_methods, gateway=method.gateway, is_default=True))
            .values(is_default=False)
        )
        statement = insert(payment_methods).values(_row(method))
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "gateway", "external_id"], set_={"is_default": True}
            )
        )

    async def remove_method(self, method: PaymentMethod) -> None:
        await self._session.execute(delete(payment_methods).where(*self._own(payment_methods, id=method.id)))
        gateway = self._own(payment_methods, gateway=method.gateway)
        newest = select(func.max(payment_methods.c.created_at)).where(*gateway).scalar_subquery()
        taken = select(payment_methods.c.id).where(*gateway, payment_methods.c.is_default)
        await self._session.execute(
            update(payment_methods)
            .where(*gateway, payment_methods.c.created_at == newest, ~taken.exists())
            .values(is_default=True)
        )

    # -- paying back ----------------------------------------------------------------------------------------------

    async def add_refund(self, refund: Refund) -> bool:
        return await self._added(payment_refunds, refund)

    async def disputed_micros(self, payment_id: PaymentId) -> int:
        wanted = self._own(
            payment_refunds, payment_id=payment_id, origin=RefundOrigin.DISPUTE, state=RefundState.SUCCEEDED
        )
        return int(await self._session.scalar(select(func.sum(payment_refunds.c.amount_micros)).where(*wanted)) or 0)

    async def taken_micros(self, payment_id: PaymentId) -> int:
        await self._session.flush()
        wanted = self._own(payment_refunds, payment_id=payment_id)
        return int(await self._session.scalar(select(func.sum(payment_refunds.c.taken_micros)).where(*wanted)) or 0)

    async def refund_by_key(self, key: str) -> Refund | None:
        return (await self._session.scalars(select(Refund).where(*self._own(payment_refunds, key=key)))).one_or_none()

    async def lock_refund(self, refund_id: RefundId) -> Refund | None:
        statement = select(Refund).where(*self._own(payment_refunds, id=refund_id)).with_for_update(key_share=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def pending_refunds(self, gateway: str, before: datetime) -> Sequence[Refund]:
        statement = (
            select(Refund)
            .join(
                payments,
                (payments.c.tenant_id == payment_refunds.c.tenant_id) & (payments.c.id == payment_refunds.c.payment_id),
            )
            .where(
                *self._own(payment_refunds, state=RefundState.PENDING),
                payment_refunds.c.created_at < before,
                payments.c.gateway == gateway,
            )
            .order_by(payment_refunds.c.created_at)
            .limit(ASKED_MAX)
        )
        return (await self._session.scalars(statement)).all()

    # -- top-ups without being asked ------------------------------------------------------------------------------

    async def automatic(self) -> AutomaticTopUp | None:
        return (await self._session.scalars(self._automatic())).one_or_none()

    async def lock_automatic(self) -> AutomaticTopUp | None:
        return (await self._session.scalars(self._automatic().with_for_update(key_share=True))).one_or_none()

    def _automatic(self) -> Select[Any]:
        return select(AutomaticTopUp).where(*self._own(automatic_top_ups))

    async def set_automatic(self, wanted: AutomaticTopUp) -> None:
        row = _row(wanted)
        await self._session.execute(
            insert(automatic_top_ups).values(row).on_conflict_do_update(index_elements=["tenant_id"], set_=row)
        )

    async def available_micros(self) -> int:
        column = ledger_accounts.c.balance
        wanted = self._own(ledger_accounts, kind=AccountKind.AVAILABLE)
        return await self._session.scalar(select(column).where(*wanted)) or 0

    # -- events ---------------------------------------------------------------------------------------------------

    async def note_event(self, gateway: str, event_id: str) -> bool:
        statement = (
            insert(payment_events)
            .values(gateway=gateway, event_id=event_id)
            .on_conflict_do_nothing()
            .returning(payment_events.c.event_id)
        )
        return await self._session.scalar(statement) is not None
