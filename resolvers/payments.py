"""Root fields of the payments room."""

import strawberry

from domain.accounts import Permission
from domain.billing.money import micros_of
from domain.billing.service import REASON_CHARS_MAX
from domain.errors import ErrorCode, Rejected
from domain.ids import PaymentId, PaymentMethodId
from domain.jobs import lasting_key
from domain.payments.automatic import set_automatic
from domain.payments.entities import AutomaticTopUp, Order, PaymentPurpose, PaymentState
from domain.payments.port import GatewayUnavailable
from domain.payments.refunds import RefundOrder, Refunds
from domain.text import clean_line
from persistence.payments import reads
from resolvers.billing import keeper, tenant_of, wallet_now
from resolvers.mutations import refusals_as
from resolvers.projects import fresh
from schema.base import Connection, MutationError
from schema.batched import After, Call, First, columns_of
from schema.billing import payments as types
from schema.context import Info
from schema.cost import ListSize
from schema.ids import decode_id


@strawberry.type
class PaymentQueries:
    @strawberry.field(description="What the tenant has paid, newest first.")
    async def payments(self, info: Info, first: First = 20, after: After = None) -> Connection[types.Payment]:
        keeper(info)
        columns = columns_of(info, "Payment", "edges", "node")
        return await info.context.reads.listed(Call(reads.PAYMENTS), first, after, columns)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(
        description="The cards that are saved for payments, the oldest first.", directives=[ListSize(assumed_size=5)]
    )
    async def payment_methods(self, info: Info) -> list[types.PaymentMethod]:
        actor = keeper(info)
        return await info.context.services.database.shaped(actor.tenant_id, reads.METHODS)  # type: ignore[no-any-return]

    @strawberry.field(description="What was decided about automatic top-ups; null for nothing.")
    async def automatic_top_up(self, info: Info) -> types.AutomaticTopUp | None:
        return await _automatic(info)


@strawberry.type
class PaymentMutations:
    @strawberry.mutation(description="Pay for credit: with the saved card or, without one, at `payment.checkoutUrl`.")
    @refusals_as(types.CreditTopUpPayload)
    async def credit_top_up(self, info: Info, input: types.CreditTopUpInput) -> types.CreditTopUpPayload:
        context, actor = info.context, info.context.actor
        actor.require(Permission.BILLING)
        order = Order(
            PaymentPurpose.TOP_UP, micros_of(input.amount),
            lasting_key(actor.principal, "creditTopUp", input.idempotency_key), actor=actor, request_id=context.request_id, attended=True,
        )  # fmt: skip
        paid = await context.services.payments.pay(actor.tenant_id, order)
        entry = await fresh(info, "LedgerEntry", paid.entry_id) if paid.entry_id is not None else None
        return types.CreditTopUpPayload(
            entry=entry, wallet=await wallet_now(context, actor.tenant_id),
            payment=await fresh(info, "Payment", paid.id),
            user_errors=_refused(paid.state, paid.failure_code, paid.failure_message),
        )  # fmt: skip

    @strawberry.mutation(description="Have a saved card forgotten, here and at the payment service.")
    @refusals_as(types.PaymentMethodRemovePayload)
    async def payment_method_remove(
        self, info: Info, input: types.PaymentMethodRemoveInput
    ) -> types.PaymentMethodRemovePayload:
        context, actor = info.context, info.context.actor
        actor.require(Permission.BILLING)
        method_id = PaymentMethodId(decode_id("PaymentMethod", input.id))
        try:
            await context.services.payments.remove_method(actor, method_id, request_id=context.request_id)
        except GatewayUnavailable:
            message = "The payment service does not answer. Try again later."
            raise Rejected(ErrorCode.INVALID_STATE, message) from None
        return types.PaymentMethodRemovePayload(deleted_id=input.id)

    @strawberry.mutation(description="Decide about automatic top-ups. What failed before is forgotten.")
    @refusals_as(types.AutomaticTopUpSetPayload)
    async def automatic_top_up_set(
        self, info: Info, input: types.AutomaticTopUpSetInput
    ) -> types.AutomaticTopUpSetPayload:
        context, actor = info.context, info.context.actor
        actor.require(Permission.BILLING)
        wanted = AutomaticTopUp(
            actor.tenant_id, micros_of(input.threshold, "threshold"), micros_of(input.amount),
            micros_of(input.monthly_limit, "monthlyLimit"), input.enabled,
        )  # fmt: skip
        gateway = context.services.payments.gateway
        async with context.services.units(actor.tenant_id) as uow:
            await set_automatic(uow, actor, gateway, wanted, request_id=context.request_id)
        return types.AutomaticTopUpSetPayload(automatic_top_up=await _automatic(info))

    @strawberry.mutation(
        description="Pay money back, once its credit is taken from the wallet. For platform administrators."
    )
    @refusals_as(types.PaymentRefundPayload)
    async def payment_refund(self, info: Info, input: types.PaymentRefundInput) -> types.PaymentRefundPayload:
        context, actor = info.context, info.context.actor
        actor.require(Permission.PLATFORM)
        tenant_id = tenant_of(info, input.tenant_id)
        order = RefundOrder(
            PaymentId(decode_id("Payment", input.payment_id, "paymentId")), micros_of(input.amount),
            clean_line(input.reason, "reason", chars_max=REASON_CHARS_MAX),
            lasting_key(actor.principal, "paymentRefund", input.idempotency_key), actor, context.request_id,
        )  # fmt: skip
        payments = context.services.payments
        refund = await Refunds(payments.units, payments.gateway).refund(tenant_id, order)
        return types.PaymentRefundPayload(
            payment=await fresh(info, "Payment", order.payment_id), refund=types.refund_of(refund),
            wallet=await wallet_now(context, tenant_id), user_errors=_refused(refund.state, refund.failure_code),
        )  # fmt: skip


async def _automatic(info: Info) -> types.AutomaticTopUp | None:
    rows = await info.context.services.database.shaped(keeper(info).tenant_id, reads.AUTOMATIC)
    return types.automatic_of(rows[0]) if rows else None


def _refused(state: str, code: str | None, message: str | None = None) -> list[MutationError]:
    """What the payment service says when it does not do it."""
    if state != PaymentState.FAILED:
        return []
    said = message or f"The payment service refuses: {code}."
    return [MutationError(message=said, field=None, code=ErrorCode.PAYMENT_REFUSED)]
