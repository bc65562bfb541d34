"""Budgets through HTTP: who may set them, what they refuse, and what is told when they run out."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from domain.accounts import Role
from domain.billing.budgets import BudgetPeriod, resets_at
from tests.graphql.clients import Person, Site
from tests.graphql.generations import new_chapter, start
from workers.generation import run_job
from workers.runtime import Runtime

BUDGET = """budget { id subject period warnAt limit { amount } member { id } token { id } model
  current { spent { amount } reserved { amount } left { amount } startsAt resetsAt } }"""
BUDGETS = f"query ($first: Int! = 50, $after: String) {{ budgets(first: $first, after: $after) {{ edges {{ node {BUDGET[7:]} }} pageInfo {{ endCursor hasNextPage }} }} }}"
GENERATE = """mutation ($chapterId: ID!, $key: String!, $model: String) {
  chapterGenerate(input: {chapterId: $chapterId, instructions: "[demo:chunks=30 delay_ms=0]", model: $model, idempotencyKey: $key}) {
    __typename
    ... on GenerationStarted { generation { id job { id } } }
    ... on QuotaExhausted { code message }
    ... on BudgetExceeded { code message field resetsAt left { amount } needed { amount } budget { id subject period limit { amount } } }
  }
}"""


@pytest.fixture
async def owner(site: Site) -> Person:
    return await site.tenant()


async def set_budget(person: Person, **values: Any) -> Any:
    given = {"subject": "TENANT", "period": "MONTH", "limit": "1", **values}
    return (await person.mutate("budgetSet", BUDGET, **given))["budget"]


async def budgets(person: Person) -> list[Any]:
    return [edge["node"] for edge in (await person(BUDGETS))["edges"]]


async def me(person: Person) -> str:
    return str((await person("{ me { user { id } } }"))["user"]["id"])


async def ask(person: Person, chapter: str, **values: Any) -> Any:
    return await person(GENERATE, chapterId=chapter, key=secrets.token_hex(8), **values)


async def test_a_budget_is_set_shown_changed_and_deleted(owner: Person) -> None:
    made = await set_budget(owner, limit="12.345678")
    until = resets_at(BudgetPeriod.MONTH, datetime.now(UTC))
    assert until is not None
    assert (made["subject"], made["period"], made["warnAt"]) == ("TENANT", "MONTH", [80, 100])
    assert Decimal(made["limit"]["amount"]) == Decimal("12.345678")
    assert made["current"]["resetsAt"] == until.isoformat("T", "milliseconds").replace("+00:00", "Z")
    assert Decimal(made["current"]["left"]["amount"]) == Decimal("12.345678")
    again = await set_budget(owner, limit="2", warnAt=[90, 50, 90])
    assert (again["id"], Decimal(again["limit"]["amount"]), again["warnAt"]) == (made["id"], Decimal(2), [50, 90])
    assert (await set_budget(owner, limit="3"))["warnAt"] == [50, 90]
    day = await set_budget(owner, period="DAY")
    assert [one["id"] for one in await budgets(owner)] == [day["id"], made["id"]]
    deleted = await owner.mutate("budgetDelete", "deletedId", id=made["id"])
    assert deleted["deletedId"] == made["id"]
    assert [one["id"] for one in await budgets(owner)] == [day["id"]]
    assert await owner.refusal("budgetDelete", id=made["id"]) == ("NOT_FOUND", ["input", "id"])
    anew = await set_budget(owner)
    assert anew["id"] != made["id"]


async def test_budgets_come_in_pages(owner: Person) -> None:
    made = [(await set_budget(owner, period=period))["id"] for period in ("DAY", "WEEK", "MONTH")]
    page = await owner(BUDGETS, first=2)
    rest = await owner(BUDGETS, first=2, after=page["pageInfo"]["endCursor"])
    assert [edge["node"]["id"] for edge in [*page["edges"], *rest["edges"]]] == made[::-1]
    assert (page["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)


async def test_a_subject_is_shown_as_what_it_is(owner: Person) -> None:
    mine = await me(owner)
    made = await owner.mutate("apiTokenCreate", "apiToken { id }", name="x", scopes=["read"])
    token = made["apiToken"]["id"]
    shown = [
        await set_budget(owner, subject="MEMBER", memberId=mine, period="TOTAL"),
        await set_budget(owner, subject="TOKEN", tokenId=token),
        await set_budget(owner, subject="MODEL", model=" demo-writer "),
    ]
    assert [(one["member"], one["token"], one["model"]) for one in shown] == [
        ({"id": mine}, None, None), (None, {"id": token}, None), (None, None, "demo-writer")]  # fmt: skip
    assert (shown[0]["current"]["startsAt"], shown[0]["current"]["resetsAt"]) == (None, None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "0.0000001"}, "limit"),
        ({"limit": "1000000.000001"}, "limit"),
        ({"warnAt": [0]}, "warnAt"),
        ({"warnAt": [101]}, "warnAt"),
        ({"subject": "MEMBER"}, "memberId"),
        ({"subject": "TOKEN"}, "tokenId"),
        ({"subject": "MODEL"}, "model"),
        ({"model": "demo-writer"}, "model"),
    ],
)
async def test_what_cannot_be_a_budget_is_refused(owner: Person, change: dict[str, Any], field: str) -> None:
    given = {"subject": "TENANT", "period": "DAY", "limit": "1", **change}
    assert await owner.refusal("budgetSet", **given) == ("BAD_USER_INPUT", ["input", field])
    assert await budgets(owner) == []


async def test_the_edges_of_what_can_be_a_budget(owner: Person) -> None:
    for limit in ("0.000001", "1000000"):
        assert Decimal((await set_budget(owner, limit=limit))["limit"]["amount"]) == Decimal(limit)
    assert (await set_budget(owner, warnAt=[1, 100]))["warnAt"] == [1, 100]
    assert (await set_budget(owner, warnAt=[]))["warnAt"] == []
    assert (await set_budget(owner, warnAt=[*range(1, 11)]))["warnAt"] == [*range(1, 11)]
    given = {"subject": "TENANT", "period": "DAY", "limit": "1"}
    assert await owner.refusal("budgetSet", **given, warnAt=[*range(1, 12)]) == ("LIMIT_REACHED", ["input", "warnAt"])


async def test_a_budget_of_a_stranger_or_of_a_revoked_token_is_refused(owner: Person, site: Site, bob: Person) -> None:
    given = {"period": "DAY", "limit": "1"}
    assert await owner.refusal("budgetSet", subject="MEMBER", memberId=await me(bob), **given) == (
        "NOT_FOUND", ["input", "memberId"])  # fmt: skip
    made = await bob.mutate("apiTokenCreate", "apiToken { id }", name="x", scopes=["read"])
    assert await owner.refusal("budgetSet", subject="TOKEN", tokenId=made["apiToken"]["id"], **given) == (
        "NOT_FOUND", ["input", "tokenId"])  # fmt: skip
    own = (await owner.mutate("apiTokenCreate", "apiToken { id }", name="x", scopes=["read"]))["apiToken"]["id"]
    await owner.mutate("apiTokenRevoke", "apiToken { id }", id=own)
    assert await owner.refusal("budgetSet", subject="TOKEN", tokenId=own, **given) == (
        "NOT_FOUND", ["input", "tokenId"])  # fmt: skip


async def test_a_tenant_has_two_hundred_budgets_and_no_more(owner: Person, site: Site) -> None:
    await site.api.database.change(
        owner.tenant_id,
        text(
            "insert into app.budgets (tenant_id, id, subject, subject_key, period, limit_micros, warn_at) "
            "select app.tid(), gen_random_uuid(), 'MODEL', 'm' || n, 'DAY', 1, '[]' from generate_series(1, 199) n"
        ),
    )
    await set_budget(owner)
    given = {"subject": "TENANT", "period": "DAY", "limit": "1"}
    assert await owner.refusal("budgetSet", **given) == ("LIMIT_REACHED", None)
    await set_budget(owner, limit="5")


@pytest.mark.parametrize("role", [Role.OWNER, Role.BILLING, Role.ADMIN, Role.AUTHOR, Role.VIEWER])
async def test_budgets_are_for_those_who_keep_the_books(owner: Person, site: Site, role: Role) -> None:
    made = await set_budget(owner)
    member = await site.member(owner, role)
    keeps = role in {Role.OWNER, Role.BILLING}
    for query in (
        "{ budgets { edges { cursor } } }",
        "{ walletAlert { toldAt } }",
        'mutation { budgetSet(input: {subject: TENANT, period: DAY, limit: "1"}) { userErrors { code } } }',
        'mutation { walletAlertSet(input: {threshold: "1"}) { userErrors { code } } }',
        f'mutation {{ budgetDelete(input: {{id: "{made["id"]}"}}) {{ userErrors {{ code }} }} }}',
    ):
        codes = [error["extensions"]["code"] for error in (await member.ask(query)).get("errors", [])]
        assert codes == ([] if keeps else ["FORBIDDEN"]), query
    node = await member("query ($id: ID!) { node(id: $id) { id } }", id=(await set_budget(owner))["id"])
    assert (node is not None) is keeps


async def test_another_tenants_budget_is_neither_seen_nor_deleted(owner: Person, bob: Person) -> None:
    made = await set_budget(owner)
    assert await budgets(bob) == []
    assert await bob("query ($id: ID!) { node(id: $id) { id } }", id=made["id"]) is None
    assert await bob.refusal("budgetDelete", id=made["id"]) == ("NOT_FOUND", ["input", "id"])
    assert len(await budgets(owner)) == 1


async def test_a_start_that_a_budget_does_not_cover_names_the_budget(owner: Person, site: Site) -> None:
    author = await site.member(owner, Role.AUTHOR)
    chapter = await new_chapter(author)
    await set_budget(owner, limit="1000")
    tight = await set_budget(owner, subject="MEMBER", memberId=await me(author), limit="0.000001", period="DAY")
    refused = await ask(author, chapter)
    assert (refused["__typename"], refused["code"], refused["field"]) == ("BudgetExceeded", "BUDGET_EXCEEDED", None)
    assert refused["budget"] == {
        "id": tight["id"], "subject": "MEMBER", "period": "DAY", "limit": {"amount": "0.000001"}
    }  # fmt: skip
    assert (refused["left"], refused["resetsAt"]) == ({"amount": "0.000001"}, tight["current"]["resetsAt"])
    assert Decimal(refused["needed"]["amount"]) > Decimal("0.000001")
    await owner.mutate("budgetDelete", id=tight["id"])
    assert (await ask(author, chapter))["__typename"] == "GenerationStarted"


async def test_what_a_generation_costs_is_reserved_and_then_spent(owner: Person, runtime: Runtime) -> None:
    made = await set_budget(owner, limit="1")
    started = await start(owner)
    [running] = await budgets(owner)
    reserved = Decimal(running["current"]["reserved"]["amount"])
    assert reserved > 0
    assert Decimal(running["current"]["left"]["amount"]) == 1 - reserved
    await run_job(runtime, owner.tenant_id, started.job_id)
    [ended] = await budgets(owner)
    spent = Decimal((await owner("{ wallet { spent { amount } } }"))["spent"]["amount"])
    assert 0 < spent <= reserved
    assert {name: Decimal(ended["current"][name]["amount"]) for name in ("spent", "reserved", "left")} == {
        "spent": spent, "reserved": 0, "left": 1 - spent}  # fmt: skip
    assert ended["id"] == made["id"]


async def test_a_budget_of_a_token_is_for_what_the_token_starts(owner: Person) -> None:
    made = await owner.mutate("apiTokenCreate", "token apiToken { id }", name="x", scopes=["read", "write", "generate"])
    budget = await set_budget(owner, subject="TOKEN", tokenId=made["apiToken"]["id"], limit="0.000001")
    program = owner.with_token(made["token"])
    assert (await ask(program, await new_chapter(owner)))["budget"]["id"] == budget["id"]
    assert (await ask(owner, await new_chapter(owner)))["__typename"] == "GenerationStarted"


async def test_a_retry_that_a_budget_does_not_cover_is_refused(owner: Person, runtime: Runtime) -> None:
    started = await start(owner)
    await owner.mutate("jobCancel", id=started.job_gid)
    await set_budget(owner, limit="0.000001")
    assert await owner.refusal("jobRetry", id=started.job_gid, idempotencyKey="k") == ("BUDGET_EXCEEDED", None)


async def test_of_starts_at_once_as_many_start_as_the_tighter_budget_covers(owner: Person, site: Site) -> None:
    """Through the whole of a start, where one costs as much as the other."""
    author = await site.member(owner, Role.AUTHOR)
    chapters = [await new_chapter(author) for _ in range(10)]
    await set_budget(owner, limit="100")
    assert (await ask(author, await new_chapter(author)))["__typename"] == "GenerationStarted"
    [whole] = await budgets(owner)
    one = Decimal(whole["current"]["reserved"]["amount"])
    await set_budget(owner, limit=str(one * 11))
    tight = await set_budget(owner, subject="MEMBER", memberId=await me(author), limit=str(one * 7), period="DAY")
    answers = await asyncio.gather(*(ask(author, chapter) for chapter in chapters))
    assert Counter(answer["__typename"] for answer in answers) == {"GenerationStarted": 7, "BudgetExceeded": 3}
    assert {answer["budget"]["id"] for answer in answers if "budget" in answer} == {tight["id"]}


async def test_a_share_of_a_limit_is_told_once_to_those_who_keep_the_books(
    owner: Person, site: Site, runtime: Runtime
) -> None:
    await site.member(owner, Role.BILLING)
    await site.member(owner, Role.AUTHOR)
    await owner.mutate(
        "webhookEndpointCreate", "webhookEndpoint { id }", url="https://hooks.example/", events=["BUDGET_THRESHOLD"]
    )
    await set_budget(owner, limit="1", warnAt=[1])
    first = await start(owner)
    await run_job(runtime, owner.tenant_id, first.job_id)
    [budget] = await budgets(owner)
    spent = Decimal(budget["current"]["spent"]["amount"])
    read = "{ notifications { edges { node { kind params { name value } } } } }"
    assert (await owner(read))["edges"] == []
    await set_budget(owner, limit=str(spent * 50), warnAt=[1, 3, 4, 90])
    for _ in range(2):
        following = await start(owner)
        await run_job(runtime, owner.tenant_id, following.job_id)
    [edge] = (await owner(read))["edges"]
    params = {one["name"]: one["value"] for one in edge["node"]["params"]}
    assert (edge["node"]["kind"], params["subject"], params["percent"]) == ("BUDGET_THRESHOLD", "TENANT", "4")
    database = site.api.database
    mails = await database.rows(owner.tenant_id, text("select template, params from app.mails"))
    told = await database.rows(owner.tenant_id, text("select type, body from app.webhook_deliveries"))
    assert [mail.template for mail in mails] == ["tenant_budget"] * 2
    assert [one.type for one in told] == ["budget.threshold"]


async def test_a_low_wallet_is_told_once_until_it_is_not_low(site: Site, runtime: Runtime) -> None:
    owner = await site.tenant(credit_micros=1_000_000)
    made = await owner.mutate("walletAlertSet", "walletAlert { threshold { amount } toldAt }", threshold="1")
    assert made["walletAlert"] == {"threshold": {"amount": "1"}, "toldAt": None}
    kinds = "{ notifications { edges { node { kind } } } }"
    for count in (1, 1):
        started = await start(owner)
        await run_job(runtime, owner.tenant_id, started.job_id)
        assert [edge["node"]["kind"] for edge in (await owner(kinds))["edges"]] == ["WALLET_LOW"] * count
    assert (await owner("{ walletAlert { toldAt } }"))["toldAt"] is not None
    spent = (await owner("{ wallet { spent { amount } } }"))["spent"]["amount"]
    await owner.mutate("creditTopUp", amount=spent, idempotencyKey="k")
    started = await start(owner)
    await run_job(runtime, owner.tenant_id, started.job_id)
    assert [edge["node"]["kind"] for edge in (await owner(kinds))["edges"]] == ["WALLET_LOW"] * 2
    assert (await owner.mutate("walletAlertSet", "walletAlert { toldAt }"))["walletAlert"] is None
    assert await owner.refusal("walletAlertSet", threshold="0") == ("BAD_USER_INPUT", ["input", "threshold"])
