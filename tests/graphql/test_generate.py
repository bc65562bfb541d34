"""Starting, stopping and trying again, through HTTP: what is written, what is held, what a key promises."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from domain.accounts import Role
from domain.billing import top_up_entry
from domain.billing.ledger import adjust_entry
from domain.ids import JobId
from persistence.database import Database
from schema.ids import decode_id
from tests.documents import GENERATE
from tests.graphql.clients import Person, Site
from tests.graphql.generations import new_chapter
from tests.graphql.studio import rows_of, state_of
from workers.generation import run_job
from workers.runtime import Runtime

WALLET = "{ wallet { available { amount currency } held { amount } spent { amount } } }"


@pytest.fixture
async def chapter(alice: Person) -> str:
    return await new_chapter(alice)


async def generate(person: Person, chapter: str, key: str = "", **more: Any) -> Any:
    return await person(GENERATE, chapterId=chapter, key=key or secrets.token_hex(8), **more)


async def run(person: Person, runtime: Runtime, started: Any) -> None:
    await run_job(runtime, person.tenant_id, job_of(started))


def job_of(started: Any) -> JobId:
    return JobId(decode_id("Job", started["generation"]["job"]["id"]))


async def credit(person: Person) -> tuple[Decimal, Decimal, Decimal]:
    """(available, held, spent)"""
    wallet = await person(WALLET)
    assert wallet["available"]["currency"] == "USD"
    available, held, spent = (Decimal(wallet[part]["amount"]) for part in ("available", "held", "spent"))
    return available, held, spent


async def test_a_started_generation_waits_with_its_credit_held(site: Site, admin: Database) -> None:
    person = await site.tenant(credit_micros=1_000_000)
    started = await generate(person, await new_chapter(person))
    assert (started["__typename"], started["replayed"], started["generation"]["state"]) == (
        "GenerationStarted", False, "QUEUED")  # fmt: skip
    available, held, spent = await credit(person)
    assert held > 0
    assert (available + held, spent) == (Decimal(1), Decimal(0))
    outbox = await admin.platform_rows(text(f"select job_id from app.outbox where tenant_id = '{person.tenant_id}'"))
    assert [row.job_id for row in outbox] == [job_of(started)]


async def test_a_hundred_equal_requests_at_once_start_one_generation(alice: Person, chapter: str) -> None:
    answers = await asyncio.gather(*(generate(alice, chapter, "one-key") for _ in range(100)))
    assert Counter((answer["__typename"], answer["replayed"]) for answer in answers) == {
        ("GenerationStarted", False): 1, ("GenerationStarted", True): 99}  # fmt: skip
    assert len({answer["generation"]["id"] for answer in answers}) == 1
    assert await generations_of(alice, chapter) == 1


async def generations_of(person: Person, chapter: str) -> int:
    query = "query ($id: ID!) { node(id: $id) { ... on Chapter { generations(first: 100) { edges { cursor } } } } }"
    return len((await person(query, id=chapter))["generations"]["edges"])


async def test_of_two_bodies_under_one_key_the_first_wins_and_the_other_conflicts(alice: Person, chapter: str) -> None:
    bodies = ["One storm."] * 45 + ["Another storm."] * 10 + ["One storm."] * 45
    answers = await asyncio.gather(*(generate(alice, chapter, "two-bodies", instructions=body) for body in bodies))
    pairs = list(zip(bodies, answers, strict=True))
    [winner] = [body for body, answer in pairs if answer.get("replayed") is False]
    outcome = Counter((body == winner, answer["__typename"], answer.get("replayed")) for body, answer in pairs)
    share = bodies.count(winner)
    assert outcome == {
        (True, "GenerationStarted", False): 1,
        (True, "GenerationStarted", True): share - 1,
        (False, "IdempotencyConflict", None): 100 - share,
    }
    assert {answer["code"] for _, answer in pairs if "code" in answer} == {"IDEMPOTENCY_CONFLICT"}
    assert await generations_of(alice, chapter) == 1


async def test_a_replay_shows_the_generation_as_it_is_now(alice: Person, chapter: str, runtime: Runtime) -> None:
    first = await generate(alice, chapter, "replayed", instructions="[demo:chunks=3 delay_ms=0]")
    await run(alice, runtime, first)
    again = await generate(alice, chapter, "replayed", instructions="[demo:chunks=3 delay_ms=0]")
    assert (again["replayed"], again["generation"]["state"]) == (True, "COMPLETED")


async def test_a_key_belongs_to_whoever_used_it(site: Site, alice: Person, chapter: str) -> None:
    colleague = await site.member(alice, Role.AUTHOR)
    mine, theirs = [await generate(person, chapter, "shared") for person in (alice, colleague)]
    assert mine["generation"]["id"] != theirs["generation"]["id"]
    assert theirs["replayed"] is False


async def test_a_refused_start_keeps_nothing_and_leaves_its_key_free(site: Site, admin: Database) -> None:
    poor = await site.tenant(credit_micros=100)
    chapter = await new_chapter(poor)
    before = await rows_of(admin, poor.tenant_id)
    refused = await generate(poor, chapter, "k")
    assert (refused["__typename"], refused["code"]) == ("QuotaExhausted", "QUOTA_EXHAUSTED")
    assert Decimal(refused["available"]["amount"]) == Decimal("0.0001")
    assert Decimal(refused["needed"]["amount"]) > Decimal("0.0001")
    assert await rows_of(admin, poor.tenant_id) == before
    async with site.api.services.units(poor.tenant_id) as uow:
        await uow.billing.post(top_up_entry("more", 1_000_000))
    started = await generate(poor, chapter, "k")
    assert (started["__typename"], started["replayed"]) == ("GenerationStarted", False)


async def test_a_prompt_that_cannot_fit_says_how_large_it_is(alice: Person, admin: Database) -> None:
    chapter = await new_chapter(alice, styleGuide="风" * 20_000)
    before = await rows_of(admin, alice.tenant_id)
    refused = await generate(alice, chapter)
    assert (refused["__typename"], refused["code"]) == ("ContextTooSmall", "CONTEXT_TOO_SMALL")
    assert refused["requiredTokens"] > refused["budgetTokens"] > 0
    assert await rows_of(admin, alice.tenant_id) == before


async def test_without_a_channel_nothing_starts(alice: Person, chapter: str, admin: Database) -> None:
    async with admin.engine.begin() as connection:
        await connection.execute(text("update app.channels set enabled = false"))
    try:
        before = await rows_of(admin, alice.tenant_id)
        refused = await generate(alice, chapter)
        assert (refused["__typename"], refused["code"]) == ("NoChannel", "NO_CHANNEL")
        assert await rows_of(admin, alice.tenant_id) == before
    finally:
        async with admin.engine.begin() as connection:
            await connection.execute(text("update app.channels set enabled = true"))


async def test_a_deleted_chapter_is_not_written(alice: Person, chapter: str) -> None:
    await alice.mutate("outlineNodeDelete", id=chapter)
    refused = await generate(alice, chapter)
    assert (refused["__typename"], refused["code"], refused["field"]) == (
        "MutationError", "NOT_FOUND", ["input", "chapterId"])  # fmt: skip


async def test_a_waiting_generation_is_cancelled_at_once_and_its_credit_returned(site: Site) -> None:
    person = await site.tenant(credit_micros=1_000_000)
    started = await generate(person, await new_chapter(person))
    payload = await person.mutate(
        "generationCancel", "generation { state job { state } }", id=started["generation"]["id"]
    )
    assert payload["generation"] == {"state": "CANCELLED", "job": {"state": "CANCELLED"}}
    assert await credit(person) == (Decimal(1), Decimal(0), Decimal(0))
    again = await person.mutate("jobCancel", "job { state }", id=started["generation"]["job"]["id"])
    assert again == {"job": {"state": "CANCELLED"}, "userErrors": []}


async def failed(person: Person, runtime: Runtime, chapter: str) -> Any:
    """A generation that has ended without success."""
    await person.mutate("channelCreate", "channel { id }", name="Broken", provider="DEMO", models=["no-such-model"])
    query = GENERATE.replace("idempotencyKey: $key", 'idempotencyKey: $key, model: "no-such-model"')
    started = await person(query, chapterId=chapter, key=secrets.token_hex(8))
    await run(person, runtime, started)
    assert (await state_of(person, started["generation"]["id"]))["state"] == "FAILED"
    return started["generation"]["job"]["id"]


RETRY = "job { id state retryOf attempt } generation { state }"


async def test_a_failed_job_is_tried_again_as_a_new_one(site: Site, runtime: Runtime) -> None:
    person = await site.tenant()
    old = await failed(person, runtime, await new_chapter(person))
    payload = await person.mutate("jobRetry", RETRY, id=old, idempotencyKey="again")
    assert payload["userErrors"] == []
    assert payload["job"] == {"id": payload["job"]["id"], "state": "QUEUED", "retryOf": old, "attempt": 0}
    assert payload["job"]["id"] != old
    assert payload["generation"] == {"state": "QUEUED"}
    assert await person.mutate("jobRetry", RETRY, id=old, idempotencyKey="again") == payload
    of_old = await person("query ($id: ID!) { node(id: $id) { ... on Job { state } } }", id=old)
    assert of_old == {"state": "FAILED"}


async def test_a_retry_that_the_wallet_does_not_cover_is_refused_in_words(
    site: Site, runtime: Runtime, admin: Database
) -> None:
    person = await site.tenant(credit_micros=1_000_000)
    old = await failed(person, runtime, await new_chapter(person))
    async with site.api.services.units(person.tenant_id) as uow:
        await uow.billing.post(
            adjust_entry(
                "taken-back", -1_000_000, "a test", await uow.billing.lock_wallet(), person.user_id, at=uow.now
            )
        )
    before = await rows_of(admin, person.tenant_id)
    payload = await person.mutate("jobRetry", RETRY, id=old, idempotencyKey="x")
    assert [error["code"] for error in payload["userErrors"]] == ["QUOTA_EXHAUSTED"]
    assert await rows_of(admin, person.tenant_id) == before


async def test_one_key_for_two_retries_conflicts(site: Site, runtime: Runtime) -> None:
    person = await site.tenant()
    chapter = await new_chapter(person)
    one, two = await failed(person, runtime, chapter), await failed(person, runtime, chapter)
    await person.mutate("jobRetry", id=one, idempotencyKey="k")
    assert await person.refusal("jobRetry", id=two, idempotencyKey="k") == (
        "IDEMPOTENCY_CONFLICT", ["input", "idempotencyKey"])  # fmt: skip


async def test_jobs_are_listed_newest_first_and_filtered(site: Site, runtime: Runtime) -> None:
    person = await site.tenant()
    chapter = await new_chapter(person)
    dead = await failed(person, runtime, chapter)
    waiting = (await generate(person, chapter))["generation"]["job"]["id"]
    query = "query ($f: JobFilter) { jobs(filter: $f) { edges { node { id } } } }"

    async def listed(**filter_: Any) -> list[str]:
        return [edge["node"]["id"] for edge in (await person(query, f=filter_))["edges"]]

    assert await listed() == [waiting, dead]
    assert await listed(states=["FAILED"]) == [dead]
    assert await listed(states=["QUEUED", "RUNNING"]) == [waiting]
    assert await listed(kind="generation.chapter") == [waiting, dead]
    assert await listed(kind="other") == []


async def test_a_platform_administrator_pauses_and_resumes_a_queue(site: Site, runtime: Runtime) -> None:
    operator = await site.tenant(platform_admin=True)
    payload = await operator.mutate("queuePause", "queue { name paused queued }", name="generation")
    assert payload["queue"] == {"name": "generation", "paused": True, "queued": 0}
    try:
        started = await generate(operator, await new_chapter(operator))
        await run(operator, runtime, started)
        assert (await state_of(operator, started["generation"]["id"]))["state"] == "QUEUED"
        queue, _ = await operator("{ queues { name paused queued running oldestQueuedSeconds } }")
        assert (queue["queued"], queue["running"]) == (1, 0)
        assert queue["oldestQueuedSeconds"] > 0
    finally:
        payload = await operator.mutate("queueResume", "queue { paused }", name="generation")
    assert payload["queue"] == {"paused": False}
    await run(operator, runtime, started)
    assert (await state_of(operator, started["generation"]["id"]))["state"] == "COMPLETED"
    assert await operator.refusal("queuePause", name="nothing") == ("NOT_FOUND", ["input", "name"])
    assert await operator("{ workers { id } }") == []


async def test_what_went_into_the_prompt_is_on_the_receipt(alice: Person) -> None:
    chapter = await new_chapter(alice, styleGuide="Short sentences.")
    started = await generate(alice, chapter, instructions="A storm arrives; Mei is afraid.")
    generation = await alice(
        "query ($id: ID!) { node(id: $id) { ... on Generation { instructions receipt { promptTokens budgetTokens cachedShare "
        "items { slot decision tokens } } } } }",
        id=started["generation"]["id"],
    )
    assert generation["instructions"] == "A storm arrives; Mei is afraid."
    receipt = generation["receipt"]
    assert receipt["cachedShare"] is None
    assert 0 < receipt["promptTokens"] <= receipt["budgetTokens"]
    assert {"CONTRACT", "STYLE", "INSTRUCTIONS"} <= {item["slot"] for item in receipt["items"]}
