"""A subscription from its beginning to its end, with what is billed for it and what credit it gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.accounts import Role
from domain.errors import ErrorCode, Forbidden
from domain.ids import InvoiceId, new_id
from domain.invoices import InvoiceState
from domain.plans import standing, subscriptions
from domain.plans.coupons import CouponKind
from domain.plans.entities import PAST_DUE_MAX, PAYMENT_MAX
from domain.plans.periods import PlanPeriod
from tests.domain.memory import NOW
from tests.domain.plans.desk import TERMS, UNIT, Desk
from tests.domain.world import refused

NEXT = datetime(2026, 12, 22, 12, tzinfo=UTC)
AFTER = datetime(2027, 1, 22, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


# To begin.


async def test_it_begins_when_its_invoice_is_paid_with_credit_that_expires_with_the_period(desk: Desk) -> None:
    plan = await desk.plan("WRITER", 9, credit=8, concurrent_generations=4)
    step = await desk.begin(plan)
    one = desk.subscription
    assert (one.state, desk.credit, desk.told, one.due_at) == ("INCOMPLETE", [], [], NOW + PAYMENT_MAX)
    assert (desk.lines(step), desk.invoice(step).state) == ([("SUBSCRIPTION", 9 * UNIT)], "OPEN")
    await desk.pay(step)
    assert (one.state, one.period_start, one.period_end, one.due_at) == ("ACTIVE", NOW, NEXT, NEXT)
    assert (desk.credit, desk.told, one.generations_max) == ([(8 * UNIT, NEXT)], ["SUBSCRIPTION_STARTED"], 4)


async def test_what_costs_nothing_begins_at_once_and_without_an_invoice(desk: Desk) -> None:
    step = await desk.begin(await desk.plan("FREE", 0, credit=1))
    assert (step.invoice_id, desk.subscription.state, desk.credit) == (None, "ACTIVE", [(UNIT, NEXT)])
    assert desk.uow.invoices.issued == {}


async def test_what_is_not_paid_does_not_begin_and_its_invoice_is_void(desk: Desk) -> None:
    plan = await desk.plan("WRITER", 9, credit=8)
    step = await desk.begin(plan)
    await desk.fail(step)
    assert (desk.subscription.state, desk.invoice(step).state, desk.credit) == ("CANCELLED", InvoiceState.VOID, [])
    assert (await desk.begun(plan)).state == "ACTIVE"


async def test_there_is_one_at_a_time(desk: Desk) -> None:
    plan = await desk.plan("FREE", 0)
    await desk.begin(plan)
    with refused(ErrorCode.ALREADY_EXISTS, "planId"):
        await desk.begin(plan)


async def test_a_free_plans_credit_is_not_had_twice_in_a_period(desk: Desk) -> None:
    plan = await desk.plan("FREE", 0, credit=1)
    await desk.begun(plan)
    await subscriptions.cancel(desk.uow, desk.world.author, at_period_end=False)
    await desk.begun(plan)
    assert desk.credit == [(UNIT, NEXT)]
    await subscriptions.cancel(desk.uow, desk.world.author, at_period_end=False)
    desk.wait_until(NEXT)
    await desk.begun(plan)
    assert [micros for micros, _ in desk.credit] == [UNIT, UNIT]


async def test_what_is_not_offered_cannot_be_begun(desk: Desk) -> None:
    plan = await desk.plan("WRITER", 9)
    desk.uow.plans.plans[plan].archived_at = NOW
    with refused(ErrorCode.NOT_FOUND, "planId"):
        await desk.begin(plan)
    desk.uow.plans.plans[plan].archived_at, desk.uow.plans.plans[plan].public = None, False
    with refused(ErrorCode.NOT_FOUND, "planId"):
        await desk.begin(plan)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUTHOR, Role.VIEWER])
async def test_only_who_pays_begins_changes_and_cancels(desk: Desk, role: Role) -> None:
    plan, actor = await desk.plan("FREE", 0), desk.world.actor(role)
    for step in (
        subscriptions.subscribe(desk.uow, actor, desk.wish(plan), TERMS),
        subscriptions.change(desk.uow, actor, desk.wish(plan), TERMS),
        subscriptions.cancel(desk.uow, actor, at_period_end=True),
    ):
        with pytest.raises(Forbidden):
            await step


# To change.


async def test_an_upgrade_costs_the_rest_of_the_period_and_gives_the_rest_of_the_credit(desk: Desk) -> None:
    writer, studio = await desk.plan("WRITER", 10, credit=10), await desk.plan("STUDIO", 40, credit=25)
    await desk.begun(writer)
    desk.wait_until(NOW + (NEXT - NOW) / 2)
    step = await desk.change(studio)
    assert desk.lines(step) == [("PRORATION", 20 * UNIT), ("PRORATION", -5 * UNIT)]
    old = desk.subscription.plan_version_id
    with refused(ErrorCode.INVALID_STATE):
        await desk.change(writer)
    await desk.pay(step)
    one = desk.subscription
    assert (one.plan_version_id == old, one.period_end, one.due_at) == (False, NEXT, NEXT)
    assert desk.credit == [(10 * UNIT, NEXT), (7_500_000, NEXT)]
    desk.wait_until(NEXT)
    assert desk.lines(await desk.renew()) == [("SUBSCRIPTION", 40 * UNIT)]


async def test_an_upgrade_that_is_not_paid_changes_nothing(desk: Desk) -> None:
    await desk.begun(await desk.plan("WRITER", 10, credit=10))
    old = desk.subscription.plan_version_id
    step = await desk.change(await desk.plan("STUDIO", 40, credit=25))
    await desk.fail(step)
    one = desk.subscription
    assert (one.state, one.plan_version_id, one.next_version_id, one.invoice_id, one.due_at) == (
        "ACTIVE", old, None, None, NEXT)  # fmt: skip
    assert (desk.invoice(step).state, len(desk.credit)) == ("VOID", 1)


async def test_an_upgrade_from_a_free_plan_is_charged_for_what_is_left(desk: Desk) -> None:
    await desk.begun(await desk.plan("FREE", 0, credit=1))
    desk.wait_until(NOW + (NEXT - NOW) / 2)
    step = await desk.change(await desk.plan("WRITER", 9, credit=3))
    assert desk.lines(step) == [("PRORATION", 4_500_000)]
    await desk.pay(step)
    assert [micros for micros, _ in desk.credit] == [UNIT, UNIT]


async def test_a_year_after_a_month_begins_when_it_is_asked_for(desk: Desk) -> None:
    await desk.begun(await desk.plan("WRITER", 10))
    half = NOW + (NEXT - NOW) / 2
    desk.wait_until(half)
    step = await desk.change(await desk.plan("WRITER_YEAR", 130, period=PlanPeriod.YEAR))
    assert desk.lines(step) == [("PRORATION", 130 * UNIT), ("PRORATION", -5 * UNIT)]
    desk.wait_until(half + timedelta(minutes=5))
    await desk.pay(step)
    one = desk.subscription
    assert (one.anchor_at, one.period_start, one.period_end) == (half, half, half.replace(year=half.year + 1))


async def test_a_discount_is_not_turned_into_money_by_an_upgrade(desk: Desk) -> None:
    code = await desk.coupon(CouponKind.PERCENT, 100)
    await desk.begun(await desk.plan("WRITER", 10), code)
    step = await desk.change(await desk.plan("STUDIO", 40))
    assert desk.lines(step) == [("PRORATION", 40 * UNIT)]


@pytest.mark.parametrize(("price", "period"), [(9, PlanPeriod.MONTH), (10, PlanPeriod.MONTH), (0, PlanPeriod.MONTH)])
async def test_anything_else_waits_for_the_periods_end(desk: Desk, price: int, period: PlanPeriod) -> None:
    await desk.begun(await desk.plan("WRITER", 10, credit=1))
    other = await desk.plan("OTHER", price, credit=2, period=period)
    step = await desk.change(other)
    one = desk.subscription
    assert (step.invoice_id, one.next_version_id is not None, len(desk.credit)) == (None, True, 1)
    desk.wait_until(NEXT)
    step = await desk.renew()
    version = await desk.uow.plans.version_in_force(other)
    assert version is not None
    assert (one.plan_version_id, one.next_version_id, one.period_end) == (version.id, None, AFTER)


async def test_a_year_is_not_left_for_a_month_before_its_end(desk: Desk) -> None:
    await desk.begun(await desk.plan("WRITER_YEAR", 100, period=PlanPeriod.YEAR))
    step = await desk.change(await desk.plan("STUDIO", 100))
    assert (step.invoice_id, desk.subscription.next_version_id is not None) == (None, True)
    end = NOW.replace(year=2027)
    desk.wait_until(end)
    assert desk.lines(await desk.renew()) == [("SUBSCRIPTION", 100 * UNIT)]
    assert desk.subscription.period_end == datetime(2027, 12, 22, 12, tzinfo=UTC)


async def test_a_change_that_waits_is_taken_back_by_naming_what_it_is_on(desk: Desk) -> None:
    writer = await desk.plan("WRITER", 10)
    await desk.begun(writer)
    await desk.change(await desk.plan("FREE", 0))
    await desk.change(writer)
    assert desk.subscription.next_version_id is None


# To cancel.


async def test_what_is_cancelled_goes_on_to_its_periods_end(desk: Desk) -> None:
    one = await desk.begun(await desk.plan("WRITER", 10))
    for _ in range(2):
        await subscriptions.cancel(desk.uow, desk.world.author, at_period_end=True)
    desk.wait_until(NEXT - INSTANT)
    await desk.renew()
    assert (one.state, one.cancel_at_period_end) == ("ACTIVE", True)
    desk.wait_until(NEXT)
    assert (await desk.renew()).invoice_id is None
    assert (one.state, one.ended_at) == ("ENDED", NEXT)
    assert desk.told == ["SUBSCRIPTION_STARTED", "SUBSCRIPTION_CANCELLED", "SUBSCRIPTION_ENDED"]


async def test_a_cancellation_that_waits_can_be_taken_back(desk: Desk) -> None:
    one = await desk.begun(await desk.plan("WRITER", 10))
    await subscriptions.cancel(desk.uow, desk.world.author, at_period_end=True)
    for _ in range(2):
        await subscriptions.resume(desk.uow, desk.world.author, one.id)
    desk.wait_until(NEXT)
    assert (await desk.renew()).invoice_id is not None
    assert one.state == "ACTIVE"


async def test_nothing_is_cancelled_while_it_is_being_paid(desk: Desk) -> None:
    await desk.begin(await desk.plan("WRITER", 10))
    with refused(ErrorCode.INVALID_STATE):
        await subscriptions.cancel(desk.uow, desk.world.author, at_period_end=False)


async def test_who_has_none_cancels_nothing(desk: Desk) -> None:
    with refused(ErrorCode.NOT_FOUND):
        await subscriptions.cancel(desk.uow, desk.world.author, at_period_end=True)


# To go on.


async def test_a_period_follows_the_other_on_the_day_of_the_first(desk: Desk) -> None:
    desk.wait_until(datetime(2027, 1, 31, tzinfo=UTC))
    one = await desk.begun(await desk.plan("WRITER", 10, credit=1))
    for end in ("2027-02-28", "2027-03-31", "2027-04-30"):
        moment = datetime.fromisoformat(end).replace(tzinfo=UTC)
        assert one.period_end == moment
        desk.wait_until(moment)
        step = await desk.renew()
        assert (await desk.renew()).invoice_id is None, "it is not due any more"
        await desk.pay(step)
    assert len(desk.credit) == 4


async def test_a_renewal_that_is_not_paid_is_past_due_and_ends_after_two_weeks(desk: Desk) -> None:
    one = await desk.begun(await desk.plan("WRITER", 10, credit=1))
    desk.wait_until(NEXT)
    step = await desk.renew()
    await desk.fail(step)
    assert (one.state, one.due_at, desk.invoice(step).state) == ("PAST_DUE", NEXT + PAST_DUE_MAX, "OPEN")
    assert (len(desk.credit), desk.told[-1]) == (1, "SUBSCRIPTION_PAST_DUE")
    await desk.fail(step)
    assert (one.state, len(desk.told)) == ("PAST_DUE", 2)
    desk.wait_until(NEXT + PAST_DUE_MAX - INSTANT)
    await desk.renew()
    assert one.state == "PAST_DUE"
    desk.wait_until(NEXT + PAST_DUE_MAX)
    await desk.renew()
    assert (one.state, desk.invoice(step).state) == ("ENDED", "VOID")


async def test_what_is_paid_late_goes_on_with_its_credit(desk: Desk) -> None:
    one = await desk.begun(await desk.plan("WRITER", 10, credit=1))
    desk.wait_until(NEXT)
    step = await desk.renew()
    await desk.fail(step)
    await desk.pay(step)
    assert (one.state, one.due_at, one.invoice_id) == ("ACTIVE", AFTER, None)
    assert desk.credit == [(UNIT, NEXT), (UNIT, AFTER)]


async def test_a_renewal_that_is_waived_goes_on_and_is_worth_nothing_to_an_upgrade(desk: Desk) -> None:
    one = await desk.begun(await desk.plan("WRITER", 10, credit=1))
    desk.wait_until(NEXT)
    step = await desk.renew()
    await desk.fail(step)
    await desk.waive(step)
    assert (one.state, one.due_at, one.invoice_id) == ("ACTIVE", AFTER, None)
    assert desk.credit == [(UNIT, NEXT), (UNIT, AFTER)]
    assert desk.lines(await desk.change(await desk.plan("STUDIO", 40))) == [("PRORATION", 40 * UNIT)]


async def test_a_beginning_or_an_upgrade_that_is_waived_does_not_happen(desk: Desk) -> None:
    writer = await desk.plan("WRITER", 10)
    await desk.waive(await desk.begin(writer))
    assert desk.subscription.state == "CANCELLED"
    one = await desk.begun(writer)
    old = one.plan_version_id
    await desk.waive(await desk.change(await desk.plan("STUDIO", 40)))
    assert (one.state, one.plan_version_id, one.next_version_id, one.invoice_id) == ("ACTIVE", old, None, None)


async def test_an_invoice_that_no_subscription_waits_for_is_waived_without_one(desk: Desk) -> None:
    await desk.begun(await desk.plan("WRITER", 10))
    assert not await standing.fee_waived(desk.uow, InvoiceId(new_id()))


async def test_a_payment_that_nobody_heard_of_again_is_given_up_or_past_due(desk: Desk) -> None:
    plan = await desk.plan("WRITER", 10)
    step = await desk.begin(plan)
    desk.wait_until(NOW + PAYMENT_MAX)
    await desk.renew()
    assert (desk.subscription.state, desk.invoice(step).state) == ("CANCELLED", "VOID")
    one = await desk.begun(plan)
    desk.wait_until(one.period_end)
    step = await desk.renew()
    desk.wait_until(one.period_start + PAYMENT_MAX)
    assert (await desk.renew()).invoice_id == step.invoice_id, "it is tried once more"
    assert one.state == "PAST_DUE"
