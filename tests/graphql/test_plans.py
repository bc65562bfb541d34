"""Plans through HTTP: who may make and begin them, what is paid, and what they allow."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event, text

from adapters.payments_simulated import SimulatedGateway
from domain.accounts import GRANTS, Actor, Role
from domain.payments.entities import Payment, PaymentMethod
from domain.payments.port import Outcome, OutcomeState
from domain.plans.entities import PlanLimit
from domain.plans.entitlements import NotEntitled
from domain.projects.service import ProjectDraft, create_project
from domain.unit_of_work import UnitOfWork
from persistence.database import create_engine
from persistence.jobs.relay import RelayView
from tests.documents import GENERATE
from tests.graphql.clients import Person, Site
from tests.graphql.generations import new_chapter, start

SUBSCRIPTION = """subscription { id state periodStart periodEnd cancelAtPeriodEnd endedAt
  planVersion { version price { amount } plan { name } } nextVersion { plan { name } } } paymentUrl"""
PLANS = """{ plans(first: 100) { edges { node { id name title public archivedAt version {
  version period price { amount } includedCredit { amount } features limits { limit value } } } } } }"""
WALLET = "{ wallet { available { amount } grants { source left expiresAt } } }"


def terms(price: str = "10", **values: Any) -> dict[str, Any]:
    return {"period": "MONTH", "price": price, **values}


@pytest.fixture
async def owner(site: Site) -> Person:
    """Of a tenant with no credit at all."""
    return await site.tenant(credit_micros=0)


async def made(platform: Person, price: str = "10", **values: Any) -> str:
    """The id of a new plan."""
    name = f"P{secrets.token_hex(6).upper()}"
    payload = await platform.mutate(
        "planCreate", "plan { id }", name=name, title=f"Plan {name}", terms=terms(price, **values)
    )
    assert payload["userErrors"] == []
    return str(payload["plan"]["id"])


async def begin(person: Person, plan_id: str, key: str = "k", **values: Any) -> Any:
    return await person.mutate("planSubscribe", SUBSCRIPTION, planId=plan_id, idempotencyKey=key, **values)


async def coupon(platform: Person, kind: str, **values: Any) -> str:
    """The code of a new coupon."""
    code = f"CODE-{secrets.token_hex(8).upper()}"
    payload = await platform.mutate("couponCreate", "coupon { id }", code=code, kind=kind, **values)
    assert payload["userErrors"] == []
    return code


async def rows(person: Person, statement: str) -> list[tuple[Any, ...]]:
    """Of the person's tenant."""
    found = await person.site.api.database.rows(person.tenant_id, text(statement))
    return [tuple(row) for row in found]


async def available(person: Person) -> Decimal:
    return Decimal((await person(WALLET))["available"]["amount"])


async def test_a_plan_is_offered_with_its_version_in_force(platform: Person, owner: Person) -> None:
    plan = await made(
        platform, "12.50", includedCredit="3", features=["OWN_CHANNELS"], limits=[{"limit": "PROJECTS", "value": 7}]
    )
    [found] = [edge["node"] for edge in (await owner(PLANS))["edges"] if edge["node"]["id"] == plan]
    assert found["version"] == {
        "version": 1, "period": "MONTH", "price": {"amount": "12.5"}, "includedCredit": {"amount": "3"},
        "features": ["OWN_CHANNELS"], "limits": [{"limit": "PROJECTS", "value": 7}],
    }  # fmt: skip


async def test_a_subscription_is_paid_for_and_its_credit_is_there_at_once(platform: Person, owner: Person) -> None:
    plan = await made(platform, includedCredit="3")
    begun = await begin(owner, plan)
    assert begun["userErrors"] == []
    one = begun["subscription"]
    assert (one["state"], one["planVersion"]["price"]["amount"], one["cancelAtPeriodEnd"]) == ("ACTIVE", "10", False)
    [grant] = (await owner(WALLET))["grants"]
    assert (grant["source"], Decimal(grant["left"]), grant["expiresAt"]) == ("PLAN", Decimal(3), one["periodEnd"])
    assert (await begin(owner, plan))["subscription"] == one
    assert await available(owner) == 3


async def test_twenty_equal_beginnings_at_once_are_one_and_pay_once(platform: Person, owner: Person) -> None:
    plan = await made(platform, includedCredit="3")
    answers = await asyncio.gather(*(begin(owner, plan) for _ in range(20)))
    assert {one["subscription"]["id"] for one in answers if not one["userErrors"]} == {answers[0]["subscription"]["id"]}
    assert [one["userErrors"] for one in answers] == [[]] * 20
    assert await available(owner) == 3
    assert len((await owner(WALLET))["grants"]) == 1
    other = await made(platform)
    assert await owner.refusal("planSubscribe", planId=other, idempotencyKey="k") == (
        "IDEMPOTENCY_CONFLICT", ["input", "idempotencyKey"])  # fmt: skip


async def test_of_ten_different_beginnings_at_once_one_begins(platform: Person, owner: Person) -> None:
    plan = await made(platform, includedCredit="3")
    answers = await asyncio.gather(*(begin(owner, plan, f"k{n}") for n in range(10)))
    codes = sorted(one["userErrors"][0]["code"] if one["userErrors"] else "" for one in answers)
    assert codes == ["", *["ALREADY_EXISTS"] * 9]
    assert await available(owner) == 3


class Refusing(SimulatedGateway):
    """A payment service that takes nothing, as long as it is there."""

    calls = 0

    async def charge(self, payment: Payment, method: PaymentMethod | None, *, attended: bool) -> Outcome:
        self.calls += 1
        return Outcome(OutcomeState.FAILED, code="card_declined")


@pytest.fixture
def refusing(site: Site, monkeypatch: pytest.MonkeyPatch) -> Refusing:
    service = Refusing()
    monkeypatch.setattr(site.api.services.fees, "_payments", replace(site.api.services.payments, gateway=service))
    return service


async def test_what_cannot_be_paid_does_not_begin(platform: Person, owner: Person, refusing: Refusing) -> None:
    plan = await made(platform, includedCredit="3")
    for _ in range(2):  # the same key again gives the same answer, and asks for no money
        assert await owner.refusal("planSubscribe", planId=plan, idempotencyKey="k") == ("PAYMENT_FAILED", None)
    assert (refusing.calls, await owner("{ subscription { id } }")) == (1, None)
    assert await available(owner) == 0


async def test_what_cannot_be_paid_is_begun_with_another_try(
    platform: Person, owner: Person, refusing: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, code = await made(platform), await coupon(platform, "PERCENT", percent=50)
    assert (await owner.refusal("planSubscribe", planId=plan, couponCode=code, idempotencyKey="k"))[
        0
    ] == "PAYMENT_FAILED"
    monkeypatch.undo()
    assert (await begin(owner, plan, "k2", couponCode=code))["userErrors"] == [], "its coupon was kept for it"
    invoices = await rows(owner, "select total_micros, state from app.invoices order by id")
    assert invoices == [(5_000_000, "VOID"), (5_000_000, "PAID")]


@pytest.mark.parametrize("role", [Role.OWNER, Role.BILLING, Role.ADMIN, Role.AUTHOR, Role.VIEWER])
async def test_everybody_sees_the_subscription_and_who_pays_changes_it(
    platform: Person, owner: Person, site: Site, role: Role
) -> None:
    begun = (await begin(owner, await made(platform)))["subscription"]["id"]
    member = await site.member(owner, role)
    assert (await member("{ subscription { id } }"))["id"] == begun
    query = "mutation { subscriptionCancel(input: {}) { subscription { cancelAtPeriodEnd } } }"
    if role in {Role.OWNER, Role.BILLING}:
        assert (await member(query))["subscription"]["cancelAtPeriodEnd"] is True
    else:
        assert await member.code(query) == "FORBIDDEN"


async def test_another_tenants_subscription_is_nobodys(platform: Person, owner: Person, site: Site) -> None:
    begun = (await begin(owner, await made(platform)))["subscription"]["id"]
    stranger = await site.tenant()
    assert await stranger("query ($id: ID!) { node(id: $id) { id } }", id=begun) is None
    assert await stranger("{ subscription { id } }") is None
    assert await stranger.refusal("subscriptionResume", id=begun) == ("NOT_FOUND", ["input", "id"])
    assert (await stranger.refusal("subscriptionCancel"))[0] == "NOT_FOUND"


async def test_a_subscription_stays_on_its_version(platform: Person, owner: Person) -> None:
    plan = await made(platform)
    await begin(owner, plan)
    payload = await platform.mutate("planVersionCreate", "planVersion { version }", planId=plan, terms=terms("20"))
    assert payload == {"planVersion": {"version": 2}, "userErrors": []}
    now = await owner("{ subscription { planVersion { version price { amount } plan { version { version } } } } }")
    assert now["planVersion"] == {"version": 1, "price": {"amount": "10"}, "plan": {"version": {"version": 2}}}
    changed = await owner.mutate("subscriptionChange", SUBSCRIPTION, planId=plan, idempotencyKey="c")
    assert changed["subscription"]["planVersion"]["version"] == 2


async def test_what_is_archived_is_offered_no_more(platform: Person, owner: Person) -> None:
    plan = await made(platform)
    for _ in range(2):
        await platform.mutate("planArchive", "plan { archivedAt }", id=plan)
    assert plan not in {edge["node"]["id"] for edge in (await owner(PLANS))["edges"]}
    assert await owner.refusal("planSubscribe", planId=plan, idempotencyKey="k") == ("NOT_FOUND", ["input", "planId"])
    assert await platform.refusal("planVersionCreate", planId=plan, terms=terms()) == (
        "INVALID_STATE", ["input", "planId"])  # fmt: skip


async def test_the_plan_that_is_there_from_the_start_can_be_begun(owner: Person) -> None:
    [free] = [edge["node"]["id"] for edge in (await owner(PLANS))["edges"] if edge["node"]["name"] == "FREE"]
    assert (await begin(owner, free))["subscription"]["state"] == "ACTIVE"
    assert await available(owner) == 1


async def test_whoever_pays_is_told_and_the_audit_log_knows(platform: Person, owner: Person) -> None:
    await begin(owner, await made(platform))
    await owner.mutate("subscriptionCancel", atPeriodEnd=False)
    kinds = "{ notifications { edges { node { kind } } } }"
    told = [edge["node"]["kind"] for edge in (await owner(kinds))["edges"]]
    assert [one for one in told if "SUBSCRIPTION" in one] == ["SUBSCRIPTION_CANCELLED", "SUBSCRIPTION_STARTED"]
    entries = (await owner("{ auditEntries { edges { node { action subjectType } } } }"))["edges"]
    done = [(edge["node"]["action"], edge["node"]["subjectType"]) for edge in entries]
    assert [one for one in done if one[1] == "PlanSubscription"] == [
        ("subscription.cancel", "PlanSubscription"), ("subscription.start", "PlanSubscription")]  # fmt: skip


# What a plan allows.


async def test_a_plan_without_own_channels_has_none_and_says_which_have(platform: Person, owner: Person) -> None:
    channel = {"name": "Mine", "provider": "DEMO", "models": ["m"]}
    assert (await owner.mutate("channelCreate", **channel))["userErrors"] == [], "without a plan all is allowed"
    await begin(owner, await made(platform, "10"))
    better = await made(platform, "0.01", features=["OWN_CHANNELS"])
    [error] = (await owner.mutate("channelCreate", **channel))["userErrors"]
    title = (await owner("query ($id: ID!) { node(id: $id) { ... on Plan { title } } }", id=better))["title"]
    assert (error["code"], title in error["message"]) == ("NOT_ENTITLED", True)


async def test_a_plans_projects_are_counted_at_the_edge_and_at_once(platform: Person, owner: Person) -> None:
    await begin(owner, await made(platform, limits=[{"limit": "PROJECTS", "value": 3}]))
    answers = await asyncio.gather(
        *(owner.mutate("projectCreate", "project { id }", title=f"Novel {n}") for n in range(6))
    )
    assert sorted(one["userErrors"][0]["code"] if one["userErrors"] else "" for one in answers) == [
        "", "", "", *["NOT_ENTITLED"] * 3]  # fmt: skip
    one = next(answer["project"]["id"] for answer in answers if answer["project"])
    await owner.mutate("projectDelete", id=one)
    assert (await owner.mutate("projectCreate", title="Another"))["userErrors"] == []
    assert (await owner.refusal("projectRestore", id=one))[0] == "NOT_ENTITLED"


async def test_of_two_projects_made_at_once_the_second_is_counted_after_the_first(
    platform: Person, owner: Person, site: Site
) -> None:
    await begin(owner, await made(platform, limits=[{"limit": "PROJECTS", "value": 1}]))
    units, keeper = site.api.services.units, site.api.services.gatekeeper
    actor = Actor(owner.tenant_id, owner.user_id, Role.OWNER, GRANTS[Role.OWNER])

    async def make(uow: UnitOfWork) -> None:
        await create_project(uow.projects, actor, ProjectDraft("Novel"))
        await keeper.require_room(uow.plans, PlanLimit.PROJECTS, uow.projects.count)

    async def make_another() -> None:
        async with units(owner.tenant_id) as uow:
            await make(uow)

    async with units(owner.tenant_id) as uow:
        await make(uow)
        second = asyncio.create_task(make_another())
        assert not (await asyncio.wait([second], timeout=0.5))[0], "it waits to be counted"
    with pytest.raises(NotEntitled):
        await second


async def test_a_plans_generations_at_a_time_wait_for_each_other(platform: Person, site: Site) -> None:
    owner = await site.tenant()
    await begin(owner, await made(platform, limits=[{"limit": "CONCURRENT_GENERATIONS", "value": 2}]))
    for _ in range(4):
        await start(owner)
    engine = create_engine(site.settings.database_relay_url.get_secret_value(), pool_size=1)
    rung = "select count(*) from app.outbox where rung_at is not null"
    assert await rows(owner, rung) == [(2,)]
    assert [
        one for one in await RelayView(engine).take_due(cap=16, batch=100) if one.tenant_id == owner.tenant_id
    ] == []
    await engine.dispose()


async def test_a_plan_without_generations_starts_none(platform: Person, site: Site) -> None:
    owner = await site.tenant()
    chapter = await new_chapter(owner)
    await begin(owner, await made(platform, limits=[{"limit": "CONCURRENT_GENERATIONS", "value": 0}]))
    refusal = await owner(GENERATE, chapterId=chapter, instructions="x", key="k")
    assert refusal["code"] == "NOT_ENTITLED"


async def test_a_start_asks_once_what_the_plan_allows(platform: Person, site: Site) -> None:
    owner = await site.tenant()
    await begin(owner, await made(platform, limits=[{"limit": "CONCURRENT_GENERATIONS", "value": 2}]))
    chapter, sent = await new_chapter(owner), []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    engine = site.api.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await owner(GENERATE, chapterId=chapter, instructions="[demo:chunks=3 delay_ms=0]", key="k")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    about = [one for one in sent if "app.plan_versions" in one or "app.subscriptions" in one]
    assert (len(about), "app.jobs" in " ".join(sent)) == (1, True)
