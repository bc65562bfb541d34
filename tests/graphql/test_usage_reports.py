"""What was used, through HTTP: added up, listed, as a table, and held against a provider's statement."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from domain.accounts import Role
from domain.billing import Usage, UsageRecord, book_usage
from domain.billing.service import forget_usage
from domain.billing.usage import STATEMENT_DAYS_MAX
from domain.ids import ChannelId, JobId, new_id
from domain.jobs import Job, JobKind
from persistence.database import Database
from schema.ids import decode_id
from tests.conftest import DEMO
from tests.documents import GENERATE
from tests.graphql.clients import Person, Site
from tests.graphql.generations import new_chapter, start
from workers.generation import run_job
from workers.runtime import Runtime

REPORT = """query ($by: [UsageGroup!]!, $from: DateTime, $to: DateTime, $billed: Boolean = true) {
  usage(groupBy: $by, from: $from, to: $to, billed: $billed) { rows {
    day model channel project { id } member { id } token { id } inputTokens cachedInputTokens outputTokens
    reasoningTokens cost { amount } count
  } }
}"""
RECORDS = """query ($filter: UsageRecordFilter, $first: Int! = 100, $after: String) {
  usageRecords(first: $first, after: $after, filter: $filter) { edges { node {
    attempt kind model channel provider inputTokens outputTokens source cost { amount } billed occurredAt jobId
    project { id } member { id } token { id }
  } } pageInfo { endCursor hasNextPage } }
}"""
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
async def owner(site: Site) -> Person:
    return await site.tenant()


async def book(
    person: Person,
    model: str = "m",
    *,
    at: datetime = NOON,
    billed: bool = True,
    channel_id: ChannelId | None = None,
    **counts: Any,
) -> JobId:
    """A call of 10 tokens read and 5 written that cost 7 micro-units."""
    usage = Usage(counts.pop("read", 10), counts.pop("written", 5), **counts)
    async with person.site.api.services.units(person.tenant_id) as uow:
        job = Job(uow.tenant_id, JobId(new_id()), JobKind.CHAPTER_GENERATE, "generation", requested_by=person.user_id)
        await uow.jobs.enqueue(job, concurrency_max=0)
        record = UsageRecord(job.id, 1, "LLM", model, "c", usage, 7, billed, at, channel_id=channel_id)
        await book_usage(uow.billing, record)
    return job.id


async def report(person: Person, *by: str, day: datetime | None = NOON, **more: Any) -> list[dict[str, Any]]:
    """The rows, without what is empty."""
    span = {"from": day.isoformat(), "to": day.isoformat()} if day is not None else {}
    rows = (await person(REPORT, by=list(by), **span, **more))["rows"]
    return [{name: value for name, value in row.items() if value not in (None, 0)} for row in rows]


async def records(person: Person, **filter_: Any) -> list[Any]:
    return [edge["node"] for edge in (await person(RECORDS, filter=filter_))["edges"]]


# Reports.


async def test_a_generation_is_counted_by_everything_that_it_belongs_to(
    owner: Person, site: Site, runtime: Runtime
) -> None:
    author = await site.member(owner, Role.AUTHOR)
    made = await owner.mutate("apiTokenCreate", "token apiToken { id }", name="x", scopes=["read", "write", "generate"])
    token = owner.with_token(made["token"])
    for person in (author, token):
        await run_job(runtime, owner.tenant_id, (await start(person)).job_id)
    [whole] = await report(owner, day=None)
    assert whole["count"] == 2
    for group, field in (("MODEL", "model"), ("CHANNEL", "channel"), ("DAY", "day")):
        [row] = await report(owner, group, day=None)
        assert row == whole | {field: row[field]}, group
    assert len(await report(owner, "PROJECT", day=None)) == 2
    members = {row["member"]["id"]: row["count"] for row in await report(owner, "MEMBER", day=None)}
    assert sorted(members.values()) == [1, 1]
    tokens = [row.get("token") for row in await report(owner, "TOKEN", day=None)]
    assert tokens == [None, {"id": made["apiToken"]["id"]}]
    spent = await owner("{ wallet { spent { amount } } }")
    assert whole["cost"] == spent["spent"]


async def test_rows_are_added_up_by_day_and_model(owner: Person) -> None:
    yesterday = NOON - timedelta(days=1)
    for model, at in (("a", NOON), ("a", NOON), ("b", NOON), ("a", yesterday)):
        await book(owner, model, at=at, cached_input_tokens=4, reasoning_tokens=2)
    one = {"inputTokens": 10, "cachedInputTokens": 4, "outputTokens": 5, "reasoningTokens": 2}
    rows = (await owner(REPORT, by=["DAY", "MODEL"], **{"from": yesterday.isoformat(), "to": NOON.isoformat()}))["rows"]
    assert [(row["day"], row["model"], row["count"], row["cost"]["amount"]) for row in rows] == [
        ("2026-05-03", "a", 1, "0.000007"), ("2026-05-04", "a", 2, "0.000014"), ("2026-05-04", "b", 1, "0.000007")]  # fmt: skip
    assert {name: rows[1][name] for name in one} == {name: 2 * count for name, count in one.items()}


async def test_what_nobody_is_billed_for_is_counted_apart(owner: Person) -> None:
    await book(owner)
    await book(owner, billed=False)
    counts = [(await report(owner, billed=billed))[0]["count"] for billed in (True, False, None)]
    assert counts == [1, 1, 2]


async def test_nothing_used_is_no_row(owner: Person) -> None:
    assert await report(owner, "DAY") == await report(owner) == []


async def test_a_report_needs_days_in_order(owner: Person) -> None:
    span = {"from": NOON.isoformat(), "to": (NOON - timedelta(days=1)).isoformat()}
    assert await owner.code(REPORT, by=["DAY"], **span) == "BAD_USER_INPUT"


DAYS = """
    select day, model, channel, channel_id, kind, project_id, user_id, api_token_id, billed, input_tokens, cached_input_tokens,
        cache_write_tokens, output_tokens, reasoning_tokens, cost_micros, records
    from app.usage_days where tenant_id = '{tenant}'
"""
SUMS = """
    select (occurred_at at time zone 'UTC')::date, model, channel, coalesce(channel_id, '{nobody}'), kind, coalesce(project_id, '{nobody}'),
        coalesce(user_id, '{nobody}'), coalesce(api_token_id, '{nobody}'), billed, sum(input_tokens),
        sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_micros),
        count(*)
    from app.usage_records where tenant_id = '{tenant}' group by 1, 2, 3, 4, 5, 6, 7, 8, 9
"""


async def test_days_are_what_records_come_to_however_many_are_written_at_once(
    owner: Person, admin: Database, runtime: Runtime
) -> None:
    await run_job(runtime, owner.tenant_id, (await start(owner)).job_id)
    await asyncio.gather(
        *(
            book(owner, f"m{n % 3}", at=NOON + n * timedelta(hours=5), billed=n % 2 == 0, cache_write_tokens=n)
            for n in range(24)
        )
    )
    names = {"tenant": str(owner.tenant_id), "nobody": "00000000-0000-0000-0000-000000000000"}
    days, sums = [{tuple(row) for row in await admin.platform_rows(text(one.format(**names)))} for one in (DAYS, SUMS)]
    assert days == sums
    assert len(days) > 10


async def test_old_records_go_and_their_days_stay(owner: Person, site: Site) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=100)
    await book(owner, at=long_ago)
    await book(owner, at=long_ago + timedelta(days=60))
    for keep_days, gone, left in ((101, 0, 2), (99, 1, 1), (99, 0, 1), (30, 1, 0)):
        async with site.api.services.units(owner.tenant_id) as uow:
            assert await forget_usage(uow, keep_days) == gone
        assert len(await records(owner)) == left
    assert len(await report(owner, "DAY", day=None, **{"from": long_ago.isoformat()})) == 2


async def test_the_application_deletes_no_record_by_itself_and_nobody_a_young_one(
    owner: Person, database: Database
) -> None:
    await book(owner, at=datetime.now(UTC))
    with pytest.raises(Exception, match="permission denied"):
        await database.change(owner.tenant_id, text("delete from app.usage_records"))
    with pytest.raises(Exception, match="append-only"):
        await database.rows(owner.tenant_id, text("select app.forget_usage(now() + interval '1 day', 9)"))


async def test_forgetting_looks_at_one_tenant_only(owner: Person, site: Site) -> None:
    other = await site.tenant()
    long_ago = datetime.now(UTC) - timedelta(days=100)
    await book(owner, at=long_ago)
    async with site.api.services.units(other.tenant_id) as uow:
        assert await forget_usage(uow, 30) == 0
    assert len(await records(owner)) == 1


# Records.


async def test_a_record_says_who_asked_for_what_and_where_its_counts_come_from(owner: Person, runtime: Runtime) -> None:
    chapter = await new_chapter(owner)
    started = await owner(GENERATE, chapterId=chapter, key="k", instructions="[demo:chunks=3 delay_ms=0]")
    job = started["generation"]["job"]["id"]
    await run_job(runtime, owner.tenant_id, JobId(decode_id("Job", job)))
    [record] = await records(owner)
    assert (record["jobId"], record["attempt"], record["kind"], record["billed"], record["token"]) == (
        job, 1, "LLM", True, None)  # fmt: skip
    assert (record["model"], record["channel"], record["provider"]) == ("demo-writer", "demo", "DEMO")
    assert record["member"]["id"] == (await owner("{ me { user { id } } }"))["user"]["id"]
    assert record["project"]["id"] == (await owner("{ projects { edges { node { id } } } }"))["edges"][0]["node"]["id"]


async def test_records_are_narrowed_by_what_they_have(owner: Person) -> None:
    await book(owner, "a", at=NOON)
    await book(owner, "b", at=NOON + timedelta(days=1), billed=False)
    me = (await owner("{ me { user { id } } }"))["user"]["id"]
    wanted: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["b", "a"]), ({"model": "a"}, ["a"]), ({"channel": "x"}, []), ({"billed": False}, ["b"]),
        ({"memberId": me}, ["b", "a"]), ({"from": (NOON + timedelta(days=1)).isoformat()}, ["b"]),
        ({"to": NOON.isoformat()}, ["a"]),
    ]  # fmt: skip
    for filter_, models in wanted:
        assert [one["model"] for one in await records(owner, **filter_)] == models, filter_
    assert await owner.code(RECORDS, filter={"projectId": me}) == "BAD_USER_INPUT"


async def test_a_page_of_records_follows_the_one_before_even_at_one_moment(owner: Person) -> None:
    for n in range(5):
        await book(owner, f"m{n}")
    whole = [one["model"] for one in await records(owner)]
    paged: list[str] = []
    page: Any = {"pageInfo": {"endCursor": None, "hasNextPage": True}}
    while page["pageInfo"]["hasNextPage"]:
        page = await owner(RECORDS, first=2, after=page["pageInfo"]["endCursor"])
        paged += [edge["node"]["model"] for edge in page["edges"]]
    assert (paged, len(whole)) == (whole, 5)


async def test_a_table_has_a_row_for_each_record(owner: Person) -> None:
    await book(owner, "=cmd", at=NOON)
    await book(owner, "b", at=NOON - timedelta(hours=1))
    query = "query ($from: DateTime, $to: DateTime) { usageExport(from: $from, to: $to) { csv } }"
    table = (await owner(query, **{"from": NOON.isoformat(), "to": NOON.isoformat()}))["csv"]
    first, second = csv.DictReader(io.StringIO(table))
    assert [(one["model"], one["occurredAt"], one["cost"]) for one in (first, second)] == [
        ("b", "2026-05-04T11:00:00+00:00", "0.000007"), ("'=cmd", "2026-05-04T12:00:00+00:00", "0.000007")]  # fmt: skip
    assert first["member"] == (await owner("{ me { user { id } } }"))["user"]["id"]


# A provider's statement.

RECONCILE = "differences { day model quantity ours theirs } matched"


async def test_a_statement_is_held_against_what_was_recorded_billed_or_not(owner: Person) -> None:
    await book(owner, "a")
    await book(owner, "a", billed=False)
    await book(owner, "b")
    statement = "day,model,input_tokens,output_tokens\n2026-05-04,a,20,10\n2026-05-04,b,10,6\n2026-05-05,b,3,0\n"
    made = await owner.mutate("statementReconcile", RECONCILE, csv=statement, channel="c")
    assert made["userErrors"] == []
    assert made["matched"] == 4
    shown: list[tuple[Any, ...]] = [
        (one["day"], one["model"], one["quantity"], Decimal(one["ours"]), Decimal(one["theirs"]))
        for one in made["differences"]
    ]
    assert shown == [
        ("2026-05-04", "b", "OUTPUT_TOKENS", 5, 6), ("2026-05-05", "b", "INPUT_TOKENS", 0, 3)]  # fmt: skip


async def test_what_a_statement_leaves_out_is_a_difference_within_its_days(owner: Person) -> None:
    await book(owner, "a")
    await book(owner, "a", at=NOON + timedelta(days=1))
    statement = "day,model,cost\n2026-05-04,a,0.000007\n"
    assert (await owner.mutate("statementReconcile", RECONCILE, csv=statement, channel="c"))["differences"] == []
    until = (NOON + timedelta(days=1)).isoformat()
    made = await owner.mutate("statementReconcile", RECONCILE, csv=statement, channel="c", to=until)
    [difference] = made["differences"]
    assert (difference["day"], difference["quantity"], difference["ours"]) == ("2026-05-05", "COST", "0.000007")


async def test_only_an_operator_counts_the_calls_of_all_tenants(owner: Person, site: Site) -> None:
    platform = await site.tenant(platform_admin=True)
    day = NOON + timedelta(days=200)
    for person in (owner, platform):
        await book(person, "shared", at=day, channel_id=DEMO.id)
        await book(person, "shared", at=day, channel_id=ChannelId(new_id()))  # a tenant's own of the same name
    statement = {"csv": f"day,model,input_tokens\n{day.date()},shared,20\n", "channel": "c", "everyTenant": True}
    made = await platform.mutate("statementReconcile", RECONCILE, **statement)
    assert (made["differences"], made["matched"]) == ([], 1)
    query = "mutation ($i: StatementReconcileInput!) { statementReconcile(input: $i) { matched } }"
    assert await owner.code(query, i=statement) == "FORBIDDEN"
    made = await owner.mutate("statementReconcile", RECONCILE, **statement | {"everyTenant": False})
    assert made["matched"] == 1


async def test_a_statement_is_of_a_year_at_most(owner: Person) -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    within, beyond = (first + timedelta(days=STATEMENT_DAYS_MAX - 1 + n) for n in (0, 1))
    days = {"csv": f"day,model,cost\n{first.date()},a,0\n", "channel": "c"}
    assert (await owner.mutate("statementReconcile", RECONCILE, **days, to=within.isoformat()))["userErrors"] == []
    too_long = ("LIMIT_REACHED", ["input", "from"])
    assert await owner.refusal("statementReconcile", **days, to=beyond.isoformat()) == too_long
    days["csv"] += f"{beyond.date()},a,0\n"
    assert await owner.refusal("statementReconcile", **days) == too_long
    made = await owner.mutate("statementReconcile", RECONCILE, **days, to=within.isoformat())
    assert (made["userErrors"], made["matched"]) == ([], 1)


async def test_what_is_no_statement_is_refused(owner: Person) -> None:
    assert await owner.refusal("statementReconcile", csv="sample", channel="c") == ("BAD_USER_INPUT", ["input", "csv"])
