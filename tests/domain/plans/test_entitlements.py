"""What a tenant may do is its plan's, else the operator's default; and a refusal says who may."""

from __future__ import annotations

import pytest

from domain.errors import ErrorCode
from domain.ids import PlanId, PlanVersionId, new_id
from domain.plans.entities import Feature, Plan, PlanLimit, PlanVersion, Subscription, SubscriptionState
from domain.plans.entitlements import NOTHING, Entitlements, Gatekeeper, NotEntitled
from tests.domain.memory import NOW
from tests.domain.memory.plans import MemoryPlans
from tests.domain.world import World

OPEN, CLOSED = Gatekeeper(), Gatekeeper(NOTHING)


async def offer(plans: MemoryPlans, name: str, price: int, *features: Feature, **limits: int) -> PlanVersion:
    plan = Plan(PlanId(new_id()), name.upper(), name)
    wanted = {str(PlanLimit[limit.upper()]): most for limit, most in limits.items()}
    version = PlanVersion(PlanVersionId(new_id()), plan.id, 1, "MONTH", price, 0, list(features), wanted)
    assert await plans.add_plan(plan)
    await plans.add_version(version)
    return version


async def hold(world: World, version: PlanVersion, state: SubscriptionState = SubscriptionState.ACTIVE) -> None:
    subscription = Subscription.begun(world.uow.tenant_id, version, NOW)
    subscription.stand(state)
    assert await world.uow.plans.add_subscription(subscription)


async def ten() -> int:
    return 10


async def test_without_a_plan_everything_is_allowed_unless_plans_are_required(world: World) -> None:
    plans = world.uow.plans
    assert await OPEN.entitlements(plans) == Entitlements()
    await OPEN.require(plans, Feature.OWN_CHANNELS)
    await OPEN.require_room(plans, PlanLimit.PROJECTS, ten)
    assert await OPEN.at_most(plans, PlanLimit.CONCURRENT_GENERATIONS, 16) == 16
    with pytest.raises(NotEntitled):
        await CLOSED.require(plans, Feature.OWN_CHANNELS)
    with pytest.raises(NotEntitled, match=r"^Your plan includes no generations at a time\.$"):
        await CLOSED.at_most(plans, PlanLimit.CONCURRENT_GENERATIONS, 16)


async def test_a_refusal_names_the_plans_that_include_it_the_cheapest_first(world: World) -> None:
    plans = world.uow.plans
    await offer(plans, "Studio", 29, Feature.OWN_CHANNELS)
    await offer(plans, "Writer", 9, Feature.OWN_CHANNELS)
    await hold(world, await offer(plans, "Free", 0))
    with pytest.raises(NotEntitled) as caught:
        await OPEN.require(plans, Feature.OWN_CHANNELS)
    assert caught.value.code is ErrorCode.NOT_ENTITLED
    assert (caught.value.wanted, caught.value.plans) == (Feature.OWN_CHANNELS, ("Writer", "Studio"))
    assert caught.value.message == "Your plan does not include own channels. Writer and Studio include it."


async def test_a_limit_holds_at_its_edge_and_names_the_plans_with_more(world: World) -> None:
    plans = world.uow.plans
    await offer(plans, "Writer", 9, projects=11)
    await hold(world, await offer(plans, "Free", 0, projects=10, concurrent_generations=2))
    await OPEN.require_room(plans, PlanLimit.PROJECTS, ten)
    assert await OPEN.at_most(plans, PlanLimit.CONCURRENT_GENERATIONS, 16) == 2
    assert await OPEN.at_most(plans, PlanLimit.CONCURRENT_GENERATIONS, 1) == 1

    async def eleven() -> int:
        return 11

    with pytest.raises(NotEntitled, match=r"^Your plan includes 10 projects\. Writer includes more\.$"):
        await OPEN.require_room(plans, PlanLimit.PROJECTS, eleven)


@pytest.mark.parametrize(
    ("state", "allowed"),
    [(SubscriptionState.INCOMPLETE, False), (SubscriptionState.ACTIVE, True), (SubscriptionState.PAST_DUE, True)],
)
async def test_what_is_not_paid_for_yet_entitles_to_nothing_and_what_is_past_due_to_the_same(
    world: World, state: SubscriptionState, allowed: bool
) -> None:
    await hold(world, await offer(world.uow.plans, "Writer", 9, Feature.OWN_CHANNELS), state)
    found = await CLOSED.entitlements(world.uow.plans)
    assert found.includes(Feature.OWN_CHANNELS) is allowed
