"""Root fields of the plans room: plans, the subscription, coupons."""

from decimal import Decimal

import strawberry

from domain.accounts import Permission
from domain.billing.money import micros_of
from domain.errors import ErrorCode, Rejected
from domain.ids import CouponId, PlanId, SubscriptionId, new_id
from domain.plans import catalogue, coupons, subscriptions
from domain.plans.catalogue import PlanDraft, Terms
from domain.plans.coupons import Coupon, CouponKind
from domain.plans.fees import FeeOutcome
from domain.plans.subscriptions import Step, Wish
from persistence.plans import reads
from resolvers.billing import wallet_now
from resolvers.mutations import refusals_as
from resolvers.operations import audited
from resolvers.projects import fresh
from schema.base import Connection
from schema.batched import After, First
from schema.billing import coupons as couponing
from schema.billing import plans as types
from schema.context import Info
from schema.ids import decode_id


@strawberry.type
class PlanQueries:
    @strawberry.field(description="The plans that can be begun now.")
    async def plans(self, info: Info, first: First = 20, after: After = None) -> Connection[types.Plan]:
        return await info.context.reader().page(reads.public_plans(), reads.PLANS, first, after)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(description="The tenant's subscription; null when none goes on.")
    async def subscription(self, info: Info) -> types.PlanSubscription | None:
        info.context.reader()
        rows = await info.context.services.database.shaped(info.context.actor.tenant_id, reads.SUBSCRIPTION)
        return await info.context.reads.one("PlanSubscription", rows[0].id) if rows else None

    @strawberry.field(description="Every coupon, newest first. For platform administrators.")
    async def coupons(self, info: Info, first: First = 20, after: After = None) -> Connection[couponing.Coupon]:
        info.context.actor.require(Permission.PLATFORM)
        return await info.context.reads.page(reads.all_coupons(), reads.COUPONS, first, after)  # type: ignore[attr-defined,no-any-return]


@strawberry.type
class PlanMutations:
    @strawberry.mutation(description="Make a plan. For platform administrators.")
    @refusals_as(types.PlanCreatePayload)
    async def plan_create(self, info: Info, input: types.PlanCreateInput) -> types.PlanCreatePayload:
        actor = info.context.actor
        actor.require(Permission.PLATFORM)
        draft = PlanDraft(input.name, input.title, input.description, input.public)
        async with info.context.services.units(actor.tenant_id) as uow:
            plan = await catalogue.create_plan(uow.plans, actor, draft, _terms(input.terms), uow.now)
            await audited(info, uow, "plan.create", ("Plan", plan.id), {"name": plan.name})
        return types.PlanCreatePayload(plan=await fresh(info, "Plan", plan.id))

    @strawberry.mutation(
        description="Give a plan a new version, for who begins it or changes to it. For platform administrators."
    )
    @refusals_as(types.PlanVersionCreatePayload)
    async def plan_version_create(
        self, info: Info, input: types.PlanVersionCreateInput
    ) -> types.PlanVersionCreatePayload:
        actor = info.context.actor
        actor.require(Permission.PLATFORM)
        plan_id = PlanId(decode_id("Plan", input.plan_id, "planId"))
        async with info.context.services.units(actor.tenant_id) as uow:
            made = await catalogue.create_version(uow.plans, actor, plan_id, _terms(input.terms), uow.now)
            await audited(info, uow, "plan_version.create", ("PlanVersion", made.id), {"version": made.version})
        return types.PlanVersionCreatePayload(plan_version=await fresh(info, "PlanVersion", made.id))

    @strawberry.mutation(description="Offer a plan no more. Who has it keeps it. For platform administrators.")
    @refusals_as(types.PlanArchivePayload)
    async def plan_archive(self, info: Info, input: types.PlanArchiveInput) -> types.PlanArchivePayload:
        actor = info.context.actor
        actor.require(Permission.PLATFORM)
        plan_id = PlanId(decode_id("Plan", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            await catalogue.archive_plan(uow.plans, actor, plan_id, uow.now)
            await audited(info, uow, "plan.archive", ("Plan", plan_id))
        return types.PlanArchivePayload(plan=await fresh(info, "Plan", plan_id))

    @strawberry.mutation(description="Subscribe to a plan, and pay for its first period.")
    @refusals_as(types.PlanSubscribePayload)
    async def plan_subscribe(self, info: Info, input: types.PlanSubscribeInput) -> types.PlanSubscribePayload:
        actor, services = info.context.actor, info.context.services
        actor.require(Permission.BILLING)
        plan_id = PlanId(decode_id("Plan", input.plan_id, "planId"))
        if input.coupon_code is not None:
            await _slowly(info)
        wish = Wish(plan_id, input.idempotency_key, input.coupon_code)
        async with services.units(actor.tenant_id) as uow:
            step = await subscriptions.subscribe(uow, actor, wish, services.fees.terms)
            subject = "PlanSubscription", step.subscription_id
            await audited(info, uow, "subscription.start", subject, {"plan_id": str(plan_id)})
        page_url = await _paid(info, step)
        subscription = await fresh(info, "PlanSubscription", step.subscription_id)
        return types.PlanSubscribePayload(subscription=subscription, payment_url=page_url)

    @strawberry.mutation(
        description="Change to another plan. An upgrade holds at once, and the rest of the period is paid for less what "
        "is unused; anything else waits for the period's end."
    )
    @refusals_as(types.SubscriptionChangePayload)
    async def subscription_change(
        self, info: Info, input: types.SubscriptionChangeInput
    ) -> types.SubscriptionChangePayload:
        actor, services = info.context.actor, info.context.services
        actor.require(Permission.BILLING)
        plan_id = PlanId(decode_id("Plan", input.plan_id, "planId"))
        async with services.units(actor.tenant_id) as uow:
            step = await subscriptions.change(uow, actor, Wish(plan_id, input.idempotency_key), services.fees.terms)
            subject = "PlanSubscription", step.subscription_id
            await audited(info, uow, "subscription.change", subject, {"plan_id": str(plan_id)})
        page_url = await _paid(info, step)
        subscription = await fresh(info, "PlanSubscription", step.subscription_id)
        return types.SubscriptionChangePayload(subscription=subscription, payment_url=page_url)

    @strawberry.mutation(description="Cancel the subscription, at its period's end or at once.")
    @refusals_as(types.SubscriptionCancelPayload)
    async def subscription_cancel(
        self, info: Info, input: types.SubscriptionCancelInput
    ) -> types.SubscriptionCancelPayload:
        actor, at_end = info.context.actor, input.at_period_end
        actor.require(Permission.BILLING)
        async with info.context.services.units(actor.tenant_id) as uow:
            one = await subscriptions.cancel(uow, actor, at_period_end=at_end)
            await audited(info, uow, "subscription.cancel", ("PlanSubscription", one), {"at_period_end": at_end})
        return types.SubscriptionCancelPayload(subscription=await fresh(info, "PlanSubscription", one))

    @strawberry.mutation(description="Take back a cancellation that waits for the period's end.")
    @refusals_as(types.SubscriptionResumePayload)
    async def subscription_resume(
        self, info: Info, input: types.SubscriptionResumeInput
    ) -> types.SubscriptionResumePayload:
        actor = info.context.actor
        actor.require(Permission.BILLING)
        one = SubscriptionId(decode_id("PlanSubscription", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            await subscriptions.resume(uow, actor, one)
            await audited(info, uow, "subscription.resume", ("PlanSubscription", one))
        return types.SubscriptionResumePayload(subscription=await fresh(info, "PlanSubscription", one))


@strawberry.type
class CouponMutations:
    @strawberry.mutation(description="Make a coupon. For platform administrators.")
    @refusals_as(couponing.CouponCreatePayload)
    async def coupon_create(self, info: Info, input: couponing.CouponCreateInput) -> couponing.CouponCreatePayload:
        actor = info.context.actor
        actor.require(Permission.PLATFORM)
        async with info.context.services.units(actor.tenant_id) as uow:
            made = await coupons.create_coupon(uow, actor, _coupon(input))
            await audited(info, uow, "coupon.create", ("Coupon", made.id), {"kind": made.kind})
        return couponing.CouponCreatePayload(coupon=await fresh(info, "Coupon", made.id))

    @strawberry.mutation(description="Let a coupon be redeemed no more. For platform administrators.")
    @refusals_as(couponing.CouponDisablePayload)
    async def coupon_disable(self, info: Info, input: couponing.CouponDisableInput) -> couponing.CouponDisablePayload:
        actor = info.context.actor
        actor.require(Permission.PLATFORM)
        coupon_id = CouponId(decode_id("Coupon", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            await coupons.disable_coupon(uow, actor, coupon_id)
            await audited(info, uow, "coupon.disable", ("Coupon", coupon_id))
        return couponing.CouponDisablePayload(coupon=await fresh(info, "Coupon", coupon_id))

    @strawberry.mutation(description="Redeem a code: for credit at once, or for less of the next fees.")
    @refusals_as(couponing.CouponRedeemPayload)
    async def coupon_redeem(self, info: Info, input: couponing.CouponRedeemInput) -> couponing.CouponRedeemPayload:
        actor, services = info.context.actor, info.context.services
        actor.require(Permission.BILLING)
        await _slowly(info)
        async with services.units(actor.tenant_id) as uow:
            made = await coupons.redeem(uow, actor, input.code, input.idempotency_key)
            await audited(info, uow, "coupon.redeem", ("CouponRedemption", made))
        redemption = await fresh(info, "CouponRedemption", made)
        wallet = await wallet_now(info.context, actor.tenant_id)
        return couponing.CouponRedeemPayload(redemption=redemption, wallet=wallet)


async def _slowly(info: Info) -> None:
    """So that nobody guesses codes."""
    if not await info.context.services.may_redeem(str(info.context.actor.tenant_id)):
        raise Rejected(ErrorCode.RATE_LIMITED, "Too many codes: wait a few minutes.")


async def _paid(info: Info, step: Step) -> str | None:
    """Pay what a step costs; where somebody has to go for that, if so. Raises Rejected(PAYMENT_FAILED)."""
    if step.invoice_id is None:
        return None
    actor = info.context.actor
    collected = await info.context.services.fees.pay(actor.tenant_id, step.invoice_id, actor)
    if collected.outcome is FeeOutcome.FAILED:
        raise Rejected(ErrorCode.PAYMENT_FAILED, "The payment was refused. Nothing has begun or changed.")
    return collected.page_url  # type: ignore[no-any-return]


def _terms(input: types.PlanTermsInput) -> Terms:
    return Terms(
        input.period, micros_of(input.price, "terms"), micros_of(input.included_credit or Decimal(0), "terms"),
        input.features, {one.limit: one.value for one in input.limits}, input.valid_from,
    )  # fmt: skip


def _coupon(input: couponing.CouponCreateInput) -> Coupon:
    """Raises Rejected when the value is not given as the kind has it."""
    percent = input.kind is CouponKind.PERCENT
    if (input.percent is None) is percent or (input.amount is None) is not percent:
        message = "PERCENT has a percent, the others have an amount."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "percent" if percent else "amount")
    value = micros_of(input.amount) if input.amount is not None else input.percent or 0
    plan_ids = [str(decode_id("Plan", one, "planIds")) for one in input.plan_ids]
    return Coupon(
        CouponId(new_id()), input.code, input.kind, value, input.periods, input.expires_days, plan_ids,
        input.redemptions_max, input.tenant_redemptions_max, micros_of(input.minimum or Decimal(0), "minimum"),
        input.valid_from, input.valid_to,
    )  # fmt: skip
