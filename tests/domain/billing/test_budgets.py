"""Budgets by their rules: periods, subjects, what is told, and who may set them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from domain.accounts import ApiToken, Membership, Role, User
from domain.billing import BudgetExceeded, QuotaExhausted, Spender, close_hold, extend_hold, take_hold
from domain.billing.alerts import end_hold, expire_and_tell, set_wallet_alert
from domain.billing.budgets import ALWAYS, Budget, BudgetPeriod, BudgetSubject, Settled, crossed, resets_at, starts_on
from domain.billing.grants import GrantSource
from domain.billing.ledger import grant_entry
from domain.billing.limits import BUDGETS_MAX, BudgetDraft, delete_budget, set_budget
from domain.billing.money import AMOUNT_MICROS_MAX
from domain.errors import ErrorCode, Forbidden
from domain.ids import ApiTokenId, BudgetId, JobId, TenantId, UserId, new_id
from tests.domain.memory.clock import NOW
from tests.domain.world import World, refused

DAY, WEEK, MONTH, TOTAL = BudgetPeriod
JOB = JobId(new_id())


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("period", "now", "first", "following"),
    [
        (DAY, at(2026, 1, 31, 23, 59, 59), date(2026, 1, 31), at(2026, 2, 1)),
        (DAY, at(2026, 2, 1), date(2026, 2, 1), at(2026, 2, 2)),
        (WEEK, at(2026, 1, 4, 23, 59), date(2025, 12, 29), at(2026, 1, 5)),
        (WEEK, at(2026, 1, 5), date(2026, 1, 5), at(2026, 1, 12)),
        (MONTH, at(2026, 12, 31, 23, 59), date(2026, 12, 1), at(2027, 1, 1)),
        (MONTH, at(2028, 2, 29, 12), date(2028, 2, 1), at(2028, 3, 1)),
        (TOTAL, at(2026, 1, 31), ALWAYS, None),
    ],
)
def test_periods_start_and_end_at_midnight_in_utc(
    period: BudgetPeriod, now: datetime, first: date, following: datetime | None
) -> None:
    assert (starts_on(period, now), resets_at(period, now)) == (first, following)
    elsewhere = now.astimezone(timezone(timedelta(hours=14)))
    assert (starts_on(period, elsewhere), resets_at(period, elsewhere)) == (first, following)


def test_a_job_falls_under_the_budgets_of_all_that_started_it() -> None:
    user_id, token_id = UserId(new_id()), ApiTokenId(new_id())
    assert Spender.of(user_id, f"token:{token_id}", "writer").subjects == [
        ("TENANT", ""), ("MEMBER", str(user_id)), ("TOKEN", str(token_id)), ("MODEL", "writer")]  # fmt: skip
    assert Spender.of(user_id, f"user:{user_id}", "writer") == Spender(user_id, None, "writer")
    assert Spender().subjects == [("TENANT", "")]


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [(0, 79, None), (0, 80, 80), (79, 80, 80), (80, 99, None), (80, 100, 100), (0, 100, 100), (100, 120, None)],
)
def test_a_share_is_crossed_once_and_the_highest_is_told(before: int, after: int, share: int | None) -> None:
    budget = Budget(TenantId(new_id()), BudgetId(new_id()), "TENANT", "", "DAY", 100)
    assert crossed(Settled(budget, NOW.date(), before, after)) == share


@pytest.fixture
async def keeper(world: World) -> World:
    """A tenant with a dollar whose author, Ada, is a member and keeps the books."""
    ada = User(world.author.user_id, "ada@example.org", "Ada", "")
    await world.uow.accounts.add_user(ada)
    await world.uow.accounts.add_membership(Membership(world.uow.tenant_id, ada.id, Role.OWNER))
    await world.credit()
    return world


async def limited(world: World, micros: int = 1_000, **values: object) -> Budget:
    draft = {"subject": BudgetSubject.TENANT, "period": DAY, "limit_micros": micros, **values}
    return await set_budget(world.uow, world.author, BudgetDraft(**draft))  # type: ignore[arg-type]


async def test_the_edges_of_a_limit(keeper: World) -> None:
    for micros in (0, -1, AMOUNT_MICROS_MAX + 1):
        with refused(ErrorCode.BAD_USER_INPUT, "limit"):
            await limited(keeper, micros)
    for micros in (1, AMOUNT_MICROS_MAX):
        assert (await limited(keeper, micros)).limit_micros == micros


async def test_a_tenant_has_so_many_budgets_and_no_more(keeper: World) -> None:
    for number in range(BUDGETS_MAX):
        await limited(keeper, subject=BudgetSubject.MODEL, model=f"m{number}")
    with refused(ErrorCode.LIMIT_REACHED):
        await limited(keeper)
    await limited(keeper, 5, subject=BudgetSubject.MODEL, model="m7")


async def test_a_subject_is_the_tenants_own(keeper: World) -> None:
    with refused(ErrorCode.NOT_FOUND, "memberId"):
        await limited(keeper, subject=BudgetSubject.MEMBER, member_id=UserId(new_id()))
    with refused(ErrorCode.NOT_FOUND, "tokenId"):
        await limited(keeper, subject=BudgetSubject.TOKEN, token_id=ApiTokenId(new_id()))
    budget = await limited(keeper, subject=BudgetSubject.MEMBER, member_id=keeper.author.user_id)
    assert budget.subject_key == str(keeper.author.user_id)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.EDITOR, Role.AUTHOR, Role.VIEWER])
async def test_only_who_keeps_the_books_sets_limits(keeper: World, role: Role) -> None:
    somebody, budget = keeper.actor(role), await limited(keeper)
    with pytest.raises(Forbidden):
        await set_budget(keeper.uow, somebody, BudgetDraft(BudgetSubject.TENANT, DAY, 1))
    with pytest.raises(Forbidden):
        await delete_budget(keeper.uow, somebody, budget.id)
    with pytest.raises(Forbidden):
        await set_wallet_alert(keeper.uow, somebody, 1)


async def test_what_a_budget_refuses_is_an_exhausted_quota_with_a_code_of_its_own(keeper: World) -> None:
    budget = await limited(keeper)
    with pytest.raises(QuotaExhausted) as caught:
        await take_hold(keeper.uow.billing, JOB, 1_001)
    assert isinstance(caught.value, BudgetExceeded)
    assert (caught.value.budget_id, caught.value.code) == (budget.id, ErrorCode.BUDGET_EXCEEDED)
    assert (caught.value.needed.micros, caught.value.left.micros) == (1_001, 1_000)


async def test_of_several_budgets_the_one_with_the_least_left_is_named(keeper: World) -> None:
    await limited(keeper, 500, period=WEEK)
    tight = await limited(keeper, 300, subject=BudgetSubject.MODEL, model="writer")
    await limited(keeper, 400)
    with pytest.raises(BudgetExceeded) as caught:
        await take_hold(keeper.uow.billing, JOB, 501, Spender(None, None, "writer"))
    assert (caught.value.budget_id, caught.value.left.micros) == (tight.id, 300)


async def test_a_deleted_budget_refuses_nothing(keeper: World) -> None:
    budget = await limited(keeper)
    await take_hold(keeper.uow.billing, JOB, 1_000)
    await delete_budget(keeper.uow, keeper.author, budget.id)
    assert await extend_hold(keeper.uow.billing, JOB, 500) == 1_500
    assert await close_hold(keeper.uow.billing, JOB, 1, 1_500) == 1_500
    with refused(ErrorCode.NOT_FOUND, "id"):
        await delete_budget(keeper.uow, keeper.author, budget.id)


async def test_a_share_of_a_limit_is_told_by_notification_and_by_mail(keeper: World) -> None:
    await limited(keeper, subject=BudgetSubject.MEMBER, member_id=keeper.author.user_id)
    for micros in (799, 1, 199):
        job_id = JobId(new_id())
        await take_hold(keeper.uow.billing, job_id, micros, Spender(keeper.author.user_id))
        assert await end_hold(keeper.uow, job_id, 1, micros) == micros
    [told] = keeper.uow.notifications.rows
    assert (told.user_id, told.kind) == (keeper.author.user_id, "BUDGET_THRESHOLD")
    assert told.params == {
        "subject": "MEMBER", "name": "Ada", "period": "DAY", "since": NOW.date().isoformat(), "percent": "80",
        "spent": "0.0008", "limit": "0.001", "currency": "USD",
    }  # fmt: skip
    [mail] = keeper.uow.mails.rows.values()
    assert (mail.template, mail.recipient, mail.params["reader"]) == ("budget", "ada@example.org", "Ada")


async def test_a_budget_of_a_token_is_told_by_the_tokens_name(keeper: World) -> None:
    token = ApiToken(keeper.uow.tenant_id, ApiTokenId(new_id()), keeper.author.user_id, "Robot", "x", b"", [])
    await keeper.uow.accounts.add_api_token(token)
    await limited(keeper, subject=BudgetSubject.TOKEN, token_id=token.id, warn_at=[100])
    await take_hold(keeper.uow.billing, JOB, 1_000, Spender(None, token.id))
    await end_hold(keeper.uow, JOB, 1, 1_000)
    [told] = keeper.uow.notifications.rows
    assert (told.params["name"], told.params["percent"]) == ("Robot", "100")


async def spend(world: World, micros: int) -> int:
    """How many have been told after a job that cost so much."""
    job_id = JobId(new_id())
    await take_hold(world.uow.billing, job_id, micros)
    await end_hold(world.uow, job_id, 1, micros)
    return len(world.uow.notifications.rows)


async def test_a_low_wallet_is_told_when_it_becomes_so_and_not_again(keeper: World) -> None:
    await set_wallet_alert(keeper.uow, keeper.author, 600_000)
    assert [await spend(keeper, micros) for micros in (400_000, 1, 100_000)] == [0, 1, 1]
    [told] = keeper.uow.notifications.rows
    assert (told.kind, told.params) == (
        "WALLET_LOW", {"credit": "0.599999", "threshold": "0.6", "currency": "USD"})  # fmt: skip
    await set_wallet_alert(keeper.uow, keeper.author, None)
    assert await spend(keeper, 100_000) == 1
    with refused(ErrorCode.BAD_USER_INPUT, "threshold"):
        await set_wallet_alert(keeper.uow, keeper.author, 0)


async def test_a_wallet_that_expired_credit_leaves_low_is_told_of(keeper: World) -> None:
    soon = NOW + timedelta(hours=1)
    await keeper.uow.billing.post(grant_entry("gift", 500_000, GrantSource.GIFT, expires_at=soon))
    await set_wallet_alert(keeper.uow, keeper.author, 1_200_000)
    keeper.uow.now = keeper.uow.billing.now = soon
    assert await expire_and_tell(keeper.uow) == 500_000
    assert [one.kind for one in keeper.uow.notifications.rows] == ["WALLET_LOW"]
