"""The wallet and its books through HTTP: who may pay, correct and see, and that what stands in the ledger balances."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.settings import Settings
from domain.accounts import Role
from domain.billing.grants import GrantSource
from domain.billing.ledger import grant_entry
from tests.conftest import opened_site
from tests.graphql.clients import Person, Site
from tests.graphql.generations import start
from workers.generation import run_job
from workers.runtime import Runtime

WALLET = """{ wallet {
  available { amount } held { amount } spent { amount } grants { source left expiresAt priority }
} }"""
ENTRIES = """query ($first: Int! = 100, $after: String) { ledgerEntries(first: $first, after: $after) {
  edges { node { id kind reference createdAt reason reversesId postings { account amount } } } pageInfo { endCursor }
} }"""
ENTRY = "entry { id kind reference reason reversesId postings { account amount } } wallet { available { amount } }"


AUDIT = "{ auditEntries { edges { node { action details subjectId requestId } } } }"


@pytest.fixture
async def owner(site: Site) -> Person:
    """Of a tenant with no credit at all."""
    return await site.tenant(credit_micros=0)


async def pay(person: Person, amount: str, key: str) -> Any:
    return await person.mutate("creditTopUp", ENTRY, amount=amount, idempotencyKey=key)


async def entries(person: Person) -> list[Any]:
    return [edge["node"] for edge in (await person(ENTRIES))["edges"]]


def sides(entry: Any) -> dict[str, Decimal]:
    return {one["account"]: Decimal(one["amount"]) for one in entry["postings"]}


async def available(person: Person) -> Decimal:
    return Decimal((await person(WALLET))["available"]["amount"])


async def test_a_payment_is_credit_at_once_and_an_entry_with_two_sides(owner: Person) -> None:
    paid = await pay(owner, "10.00", "key-1")
    assert (paid["userErrors"], Decimal(paid["wallet"]["available"]["amount"])) == ([], Decimal(10))
    [entry] = await entries(owner)
    assert entry["id"] == paid["entry"]["id"]
    assert (entry["kind"], entry["reference"][:18], entry["reversesId"]) == ("TOP_UP", "payment:simulated_", None)
    assert sides(entry) == {"AVAILABLE": Decimal(10), "FUNDING": Decimal(-10)}
    [grant] = (await owner(WALLET))["grants"]
    assert (grant["source"], Decimal(grant["left"]), grant["expiresAt"]) == ("TOPUP", Decimal(10), None)


async def test_twenty_equal_payments_at_once_are_one(owner: Person) -> None:
    answers = await asyncio.gather(*(pay(owner, "1", "one-key") for _ in range(20)))
    assert len({answer["entry"]["id"] for answer in answers}) == 1
    assert await available(owner) == 1
    assert await owner.refusal("creditTopUp", amount="2", idempotencyKey="one-key") == (
        "IDEMPOTENCY_CONFLICT", ["input", "idempotencyKey"])  # fmt: skip


async def test_an_installation_without_a_payment_service_gives_no_credit_away(settings: Settings) -> None:
    async with opened_site(Settings(**{**dict(settings), "simulated_payments": False})) as site:
        person = await site.tenant(credit_micros=0)
        for _ in range(2):
            assert await person.refusal("creditTopUp", amount="1", idempotencyKey="k") == ("INVALID_STATE", None)
        assert await available(person) == 0


@pytest.mark.parametrize("amount", ["0", "-1", "0.0000001", "1000001", "1E+99999", 0.0000001])
async def test_an_amount_that_cannot_be_paid_is_refused(owner: Person, amount: Any) -> None:
    assert await owner.refusal("creditTopUp", amount=amount, idempotencyKey="k") == (
        "BAD_USER_INPUT", ["input", "amount"])  # fmt: skip


@pytest.mark.parametrize("amount", ["ten", "", [], True, "NaN", "-Infinity"])
async def test_what_is_no_amount_is_a_mistake_in_the_request(owner: Person, amount: Any) -> None:
    query = "mutation ($i: CreditTopUpInput!) { creditTopUp(input: $i) { userErrors { code } } }"
    code = await owner.code(query, i={"amount": amount, "idempotencyKey": "k"})
    assert code in {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}


async def test_an_amount_may_be_written_as_a_number(owner: Person) -> None:
    await pay(owner, 0.1, "k")  # type: ignore[arg-type]
    query = 'mutation { creditTopUp(input: {amount: 0.2, idempotencyKey: "k2"}) { wallet { available { amount } } } }'
    assert (await owner(query))["wallet"] == {"available": {"amount": "0.3"}}


async def test_credit_is_shown_in_the_order_in_which_it_is_spent(owner: Person, site: Site) -> None:
    await pay(owner, "1", "k")
    soon = datetime.now(UTC) + timedelta(days=1)
    async with site.api.services.units(owner.tenant_id) as uow:
        await uow.billing.post(grant_entry("gift", 250_000, GrantSource.GIFT, expires_at=soon))
        await uow.billing.post(grant_entry("plan", 500_000, GrantSource.PLAN))
    grants = (await owner(WALLET))["grants"]
    assert [(one["source"], Decimal(one["left"]), one["priority"]) for one in grants] == [
        ("GIFT", Decimal("0.25"), 20), ("PLAN", Decimal("0.5"), 10), ("TOPUP", Decimal(1), 40)]  # fmt: skip
    assert await available(owner) == Decimal("1.75")


@pytest.mark.parametrize("role", [Role.OWNER, Role.BILLING, Role.ADMIN, Role.AUTHOR, Role.VIEWER])
async def test_the_books_are_for_those_who_keep_them_and_the_wallet_for_everybody(
    owner: Person, site: Site, role: Role
) -> None:
    member = await site.member(owner, role)
    assert "wallet" in (await member.ask(WALLET))["data"]
    for query in (ENTRIES, "{ usage(groupBy: []) { rows { count } } }", "{ usageRecords { edges { cursor } } }",
                  "{ usageExport { csv } }"):  # fmt: skip
        errors = [error["extensions"]["code"] for error in (await member.ask(query)).get("errors", [])]
        assert errors == ([] if role in {Role.OWNER, Role.BILLING} else ["FORBIDDEN"]), query
    paid = (await pay(owner, "1", "k"))["entry"]["id"]
    node = await member("query ($id: ID!) { node(id: $id) { id } }", id=paid)
    assert node == ({"id": paid} if role in {Role.OWNER, Role.BILLING} else None)


async def test_a_page_of_the_ledger_follows_the_one_before(owner: Person) -> None:
    for number in range(5):
        await pay(owner, "1", f"k{number}")
    whole = [one["id"] for one in await entries(owner)]
    paged: list[str] = []
    after = None
    for _ in range(3):
        page = await owner(ENTRIES, first=2, after=after)
        paged += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert (paged, len(whole)) == (whole, 5)
    assert await owner.code(ENTRIES, after="garbage") == "BAD_USER_INPUT"


# By hand.


async def test_an_operator_corrects_any_wallet_and_says_why(owner: Person, platform: Person) -> None:
    made = await platform.mutate(
        "creditAdjust", ENTRY, amount="2.50", reason="an outage", idempotencyKey="k", tenantId=owner.tenant_gid
    )
    assert (made["userErrors"], made["entry"], made["wallet"]) == ([], None, {"available": {"amount": "2.5"}})
    await platform.mutate(
        "creditAdjust", amount="-1", reason="too much", idempotencyKey="k2", tenantId=owner.tenant_gid
    )
    assert [(one["kind"], one["reason"], sides(one)["AVAILABLE"]) for one in await entries(owner)] == [
        ("ADJUST", "too much", Decimal(-1)), ("ADJUST", "an outage", Decimal("2.5"))]  # fmt: skip


async def test_what_moves_money_or_changes_prices_is_in_the_audit_log(owner: Person, platform: Person) -> None:
    paid = (await pay(owner, "2", "k"))["entry"]["id"]
    wanted = {"reason": "why", "idempotencyKey": "k", "tenantId": owner.tenant_gid}
    for _ in range(2):
        await platform.mutate("creditAdjust", amount="0.5", **wanted)
        await platform.mutate("entryReverse", id=paid, **wanted)
        await platform.mutate("priceImport", format="YAML", text="- {model: audited, input: 1, output: 1}")
    log = [edge["node"] for edge in (await owner(AUDIT))["edges"]]
    assert [(one["action"], one["details"]) for one in log] == [
        ("ledger_entry.reverse", {"reason": "why"}),
        ("credit.adjust", {"amount_micros": 500_000, "reason": "why"}),
        ("payment.create", {"purpose": "TOP_UP", "amount_micros": 2_000_000}),
    ]
    assert log[0]["subjectId"] == paid
    assert all(one["requestId"] for one in log)
    imports = [edge["node"] for edge in (await platform(AUDIT))["edges"] if edge["node"]["action"] == "price.import"]
    assert [(one["subjectId"], one["details"]) for one in imports if one["details"]["imported"]][:1] == [
        (platform.tenant_gid, {"imported": 1, "unchanged": 0})]  # fmt: skip


async def test_a_correction_takes_no_more_than_there_is(owner: Person, platform: Person) -> None:
    await pay(owner, "1", "k")
    wanted = {"reason": "r", "idempotencyKey": "k", "tenantId": owner.tenant_gid}
    assert await platform.refusal("creditAdjust", amount="-1.000001", **wanted) == ("QUOTA_EXHAUSTED", None)
    assert await platform.refusal("creditAdjust", amount="1", **wanted | {"reason": " "}) == (
        "EMPTY",
        ["input", "reason"],
    )
    assert (await platform.mutate("creditAdjust", amount="-1", **wanted))["userErrors"] == []
    assert await available(owner) == 0


async def test_a_correction_of_nobodys_wallet_is_refused(platform: Person, site: Site) -> None:
    nobody = (await site.tenant()).tenant_gid[:-4] + "AAAA"
    code, _ = await platform.refusal("creditAdjust", amount="1", reason="r", idempotencyKey="k", tenantId=nobody)
    assert code == "NOT_FOUND"


async def test_an_entry_is_undone_once_and_its_credit_is_gone(owner: Person, platform: Person) -> None:
    paid = (await pay(owner, "10", "k"))["entry"]["id"]
    wanted = {"id": paid, "reason": "charged back", "tenantId": owner.tenant_gid}
    for _ in range(2):
        made = await platform.mutate("entryReverse", ENTRY, idempotencyKey="k", **wanted)
        assert (made["userErrors"], made["wallet"]) == ([], {"available": {"amount": "0"}})
    code, field = await platform.refusal("entryReverse", idempotencyKey="k2", **wanted)
    assert (code, field) == ("ALREADY_EXISTS", ["input", "id"])
    newest, _ = await entries(owner)
    assert (newest["kind"], newest["reason"], newest["reversesId"]) == ("REVERSAL", "charged back", paid)
    assert sides(newest) == {"AVAILABLE": Decimal(-10), "FUNDING": Decimal(10)}


async def test_an_entry_of_another_tenant_is_undone_only_where_it_stands(owner: Person, platform: Person) -> None:
    paid = (await pay(owner, "10", "k"))["entry"]["id"]
    assert await platform.refusal("entryReverse", id=paid, reason="r", idempotencyKey="k") == (
        "NOT_FOUND", ["input", "id"])  # fmt: skip


async def test_an_owner_corrects_and_undoes_nothing_alone(owner: Person) -> None:
    paid = (await pay(owner, "10", "k"))["entry"]["id"]
    for name, given in (
        ("creditAdjust", {"amount": "1", "reason": "r", "idempotencyKey": "k"}),
        ("entryReverse", {"id": paid, "reason": "r", "idempotencyKey": "k"}),
        ("priceImport", {"format": "JSON", "text": "[]"}),
    ):
        type_ = name[0].upper() + name[1:]
        query = f"mutation ($i: {type_}Input!) {{ {name}(input: $i) {{ userErrors {{ code }} }} }}"
        assert await owner.code(query, i=given) == "FORBIDDEN"


# A job.


async def test_what_a_job_moves_balances_and_comes_from_the_grants(owner: Person, runtime: Runtime) -> None:
    await pay(owner, "5", "k")
    started = await start(owner)
    await run_job(runtime, owner.tenant_id, started.job_id)
    newest, hold, _ = await entries(owner)
    assert (newest["kind"], hold["kind"]) == ("SETTLE", "HOLD")
    for entry in (newest, hold):
        assert sum(sides(entry).values()) == 0
    wallet = await owner(WALLET)
    spent = Decimal(wallet["spent"]["amount"])
    assert sides(newest)["SPENT"] == spent > 0
    assert Decimal(wallet["available"]["amount"]) == Decimal(wallet["grants"][0]["left"]) == 5 - spent
    assert Decimal(wallet["held"]["amount"]) == 0


# Prices.

PRICES = """query ($model: String) { prices(first: 100, model: $model) { edges { node {
  id model channel group priority ratio validFrom validTo
  input { amount } cachedInput { amount } cacheWrite { amount } output { amount } reasoning { amount } perCall { amount }
} } } }"""
LIST = "- {model: m-1, channel: demo, input: 1, output: 2, perCall: 0.001, ratio: 0.9, priority: 3}"


async def prices(person: Person, model: str) -> list[Any]:
    return [edge["node"] for edge in (await person(PRICES, model=model))["edges"]]


async def test_an_operators_list_becomes_prices_that_everybody_sees(platform: Person, owner: Person) -> None:
    made = await platform.mutate("priceImport", "imported unchanged", format="YAML", text=LIST)
    assert made == {"imported": 1, "unchanged": 0, "userErrors": []}
    made = await platform.mutate("priceImport", "imported unchanged", format="YAML", text=LIST)
    assert made == {"imported": 0, "unchanged": 1, "userErrors": []}
    [price] = await prices(owner, "m-1")
    assert (price["channel"], price["group"], price["priority"], Decimal(price["ratio"]), price["validTo"]) == (
        "demo", None, 3, Decimal("0.9"), None)  # fmt: skip
    amounts = {
        name: Decimal(price[name]["amount"])
        for name in ("input", "cachedInput", "cacheWrite", "output", "reasoning", "perCall")
    }
    assert amounts == {
        "input": 1,
        "cachedInput": 1,
        "cacheWrite": 1,
        "output": 2,
        "reasoning": 2,
        "perCall": Decimal("0.001"),
    }
    assert (await owner("query ($id: ID!) { node(id: $id) { ... on Price { model } } }", id=price["id"])) == {
        "model": "m-1"
    }


async def test_prices_to_come_and_of_others_are_the_operators_to_see(platform: Person, owner: Person) -> None:
    rows: list[dict[str, Any]] = [
        {},
        {"channel": "@own"},
        {"channel": "demo"},
        {"channel": "nobody-has-it"},
        {"group": "pro"},
        {"priority": 9, "validFrom": (datetime.now(UTC) + timedelta(days=1)).isoformat()},
    ]
    whole = [{"model": "m-seen", "input": 1, "output": 1} | one for one in rows]
    made = await platform.mutate("priceImport", "imported", format="JSON", text=json.dumps(whole))
    assert (made["imported"], len(await prices(platform, "m-seen"))) == (6, 6)
    assert {(one["channel"], one["group"], one["priority"]) for one in await prices(owner, "m-seen")} == {
        (None, None, 0), ("@own", None, 0), ("demo", None, 0)}  # fmt: skip


async def test_a_list_with_bad_rows_changes_nothing_and_names_each(platform: Person) -> None:
    made = await platform.mutate(
        "priceImport", "imported", format="JSON",
        text='[{"model": "m-2", "input": 1, "output": 1}, {"model": "m-3", "input": 1}, {"model": "m-4"}]',
    )  # fmt: skip
    assert made["imported"] == 0
    assert [(one["code"], one["message"], one["field"]) for one in made["userErrors"]] == [
        ("BAD_USER_INPUT", "Row 2 (m-3): output is missing.", ["input", "text"]),
        ("BAD_USER_INPUT", "Row 3 (m-4): input is missing.", ["input", "text"]),
    ]
    assert await prices(platform, "m-2") == []
    assert await platform.refusal("priceImport", format="JSON", text="[{") == ("BAD_USER_INPUT", ["input", "text"])


async def test_a_calls_record_keeps_the_version_that_it_was_reckoned_by(
    platform: Person, owner: Person, runtime: Runtime
) -> None:
    await pay(owner, "5", "k")
    used = "{ usageRecords { edges { node { cost { amount } inputTokens outputTokens price { id ratio } } } } }"
    for ratio in (3, 5):
        price = f"- {{model: demo-writer, channel: demo, input: 1, output: 2, ratio: {ratio}}}"
        await platform.mutate("priceImport", format="YAML", text=price)
        await run_job(runtime, owner.tenant_id, (await start(owner)).job_id)
    newest, before = [edge["node"] for edge in (await owner(used))["edges"]]
    for record, ratio in ((newest, 5), (before, 3)):
        assert Decimal(record["price"]["ratio"]) == ratio
        micros = ratio * (record["inputTokens"] + 2 * record["outputTokens"])
        assert Decimal(record["cost"]["amount"]) * 1_000_000 == micros > 0
    newer, older = [one for one in await prices(owner, "demo-writer") if one["channel"] == "demo"]
    assert (newest["price"]["id"], before["price"]["id"]) == (newer["id"], older["id"])
    assert older["validTo"] == newer["validFrom"]
