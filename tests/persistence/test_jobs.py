"""The queue as rows: claimed once, fenced, taken back, rung in turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.settings import Settings
from domain.errors import LeaseLost
from domain.ids import JobId, TenantId, new_id
from domain.jobs import QUEUES, IdempotencyKey, Job, JobKind, JobState, Lease, UsedKey
from persistence.database import Database, create_engine
from persistence.jobs.relay import RelayView
from persistence.unit_of_work import Units
from tests.graphql.clients import eventually

KEY = IdempotencyKey("user:1", "chapterGenerate", "k", b"body")


@pytest.fixture
async def relay(settings: Settings, admin: Database) -> AsyncIterator[RelayView]:
    """The relay's own view, over an empty queue."""
    async with admin.engine.begin() as connection:
        await connection.execute(text("truncate app.outbox"))
        await connection.execute(text("update app.jobs set state = 'CANCELLED', finished_at = now(), lease_token = null "
                                      "where state in ('QUEUED', 'RUNNING')"))  # fmt: skip
    engine = create_engine(settings.database_relay_url.get_secret_value(), pool_size=4)
    yield RelayView(engine)
    await engine.dispose()


@pytest.fixture
def tenant() -> TenantId:
    return TenantId(new_id())


async def enqueue(units: Units, tenant: TenantId, *, cap: int = 100) -> tuple[JobId, bool]:
    job = Job(tenant, JobId(new_id()), JobKind.CHAPTER_GENERATE, "generation")
    async with units(tenant) as uow:
        ring = await uow.jobs.enqueue(job, concurrency_max=cap)
    return job.id, ring


async def test_documents_of_a_tenant_keep_none_of_its_chapters_waiting(
    units: Units, relay: RelayView, tenant: TenantId
) -> None:
    """Each queue has a cap of its own, for the direct ring and for the relay's."""
    documents = [Job(tenant, JobId(new_id()), JobKind.DOCUMENT_INGEST, "ingestion") for _ in range(4)]
    rung = []
    for job in documents:
        async with units(tenant) as uow:
            rung.append(await uow.jobs.enqueue(job, concurrency_max=2))
    assert rung == [True, True, False, False]
    _, at_once = await enqueue(units, tenant, cap=2)
    assert at_once
    _, second = await enqueue(units, tenant, cap=1)
    assert not second
    due = await relay.take_due(cap=2, batch=10)
    assert [one.queue for one in due if one.tenant_id == tenant] == ["generation"]


async def claim(units: Units, tenant: TenantId, job_id: JobId, lease_s: float = 60) -> Lease | None:
    async with units(tenant) as uow:
        return await uow.jobs.claim(job_id, "worker", lease_s)


async def state_of(units: Units, tenant: TenantId, job_id: JobId) -> str:
    async with units(tenant) as uow:
        job = await uow.jobs.lock(job_id)
        assert job is not None
        return job.state


async def test_of_twenty_workers_one_gets_the_job(units: Units, tenant: TenantId) -> None:
    job_id, _ = await enqueue(units, tenant)
    leases = await asyncio.gather(*(claim(units, tenant, job_id) for _ in range(20)))
    won = [lease for lease in leases if lease is not None]
    assert [lease.attempt for lease in won] == [1]


async def test_a_stale_lease_can_write_nothing(units: Units, tenant: TenantId) -> None:
    job_id, _ = await enqueue(units, tenant)
    stale = await claim(units, tenant, job_id, lease_s=-1)
    assert stale is not None
    async with units(tenant) as uow:
        taken = await uow.jobs.reclaim(job_id)
        assert taken is not None
        await uow.jobs.requeue(taken[1])
    fresh = await claim(units, tenant, job_id)
    assert fresh is not None and fresh.attempt == 2
    for write in ("beat", "close", "next_attempt", "requeue"):
        with pytest.raises(LeaseLost):
            async with units(tenant) as uow:
                match write:
                    case "beat":
                        await uow.jobs.beat(stale, 5, 10)
                    case "close":
                        await uow.jobs.close(stale, JobState.SUCCEEDED, None)
                    case "next_attempt":
                        await uow.jobs.next_attempt(stale)
                    case "requeue":
                        await uow.jobs.requeue(stale)
    assert await state_of(units, tenant, job_id) == "RUNNING"


async def test_a_lease_that_is_alive_is_not_taken(units: Units, tenant: TenantId) -> None:
    job_id, _ = await enqueue(units, tenant)
    await claim(units, tenant, job_id, lease_s=60)
    async with units(tenant) as uow:
        assert await uow.jobs.reclaim(job_id) is None


async def test_a_heartbeat_hears_of_a_cancel(units: Units, tenant: TenantId) -> None:
    job_id, _ = await enqueue(units, tenant)
    lease = await claim(units, tenant, job_id)
    assert lease is not None
    async with units(tenant) as uow:
        assert await uow.jobs.beat(lease, 5, 10) is False
    async with units(tenant) as uow:
        job = await uow.jobs.lock(job_id)
        assert job is not None
        await uow.jobs.ask_cancel(job)
    async with units(tenant) as uow:
        assert await uow.jobs.beat(lease, 5, 20) is True


async def test_a_key_replays_its_result_and_knows_another_body(units: Units, tenant: TenantId) -> None:
    result = new_id()
    async with units(tenant) as uow:
        assert await uow.jobs.claim_key(KEY) is None
        await uow.jobs.complete_key(KEY, result)
    async with units(tenant) as uow:
        used = await uow.jobs.claim_key(KEY)
        assert used is not None and (used.result_id, used.same_body) == (result, True)
        other = await uow.jobs.claim_key(IdempotencyKey(KEY.principal, KEY.operation, KEY.key, b"other"))
        assert other is not None and other.same_body is False


@pytest.mark.parametrize("first_commits", [True, False])
async def test_the_second_use_of_a_key_waits_for_the_first_to_end(
    units: Units, tenant: TenantId, admin: Database, first_commits: bool
) -> None:
    result, taken, go_on = new_id(), asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with units(tenant) as uow:
            assert await uow.jobs.claim_key(KEY) is None
            await uow.jobs.complete_key(KEY, result)
            taken.set()
            await go_on.wait()
            if not first_commits:
                raise RuntimeError("refused")

    async def second() -> UsedKey | None:
        async with units(tenant) as uow:
            return await uow.jobs.claim_key(KEY)

    holder = asyncio.create_task(first())
    await taken.wait()
    waiting = asyncio.create_task(second())
    blocked = text("select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
    await eventually(lambda: admin.platform_rows(blocked), "the second waits for the first's lock")
    assert not waiting.done()
    go_on.set()
    await asyncio.gather(holder, return_exceptions=True)
    assert await waiting == (UsedKey(result, same_body=True) if first_commits else None)


async def test_a_key_of_another_principal_or_operation_is_another_key(units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        assert await uow.jobs.claim_key(KEY) is None
        await uow.jobs.complete_key(KEY, new_id())
    for other in (replace(KEY, principal="user:2"), replace(KEY, operation="jobRetry")):
        async with units(tenant) as uow:
            assert await uow.jobs.claim_key(other) is None


async def test_a_refused_request_leaves_its_key_free(units: Units, tenant: TenantId) -> None:
    with pytest.raises(RuntimeError):
        async with units(tenant) as uow:
            assert await uow.jobs.claim_key(KEY) is None
            raise RuntimeError("refused")
    async with units(tenant) as uow:
        assert await uow.jobs.claim_key(KEY) is None


@pytest.mark.parametrize(("age", "free"), [("23 hours 59 minutes", False), ("24 hours 1 minute", True)])
async def test_a_key_is_kept_for_a_day(units: Units, tenant: TenantId, admin: Database, age: str, free: bool) -> None:
    async with units(tenant) as uow:
        await uow.jobs.claim_key(KEY)
        await uow.jobs.complete_key(KEY, new_id())
    async with admin.engine.begin() as connection:
        old = f"update app.idempotency_keys set created_at = now() - interval '{age}' where tenant_id = :t"
        await connection.execute(text(old), {"t": tenant})
    async with units(tenant) as uow:
        assert (await uow.jobs.claim_key(KEY) is None) is free


async def test_only_what_is_under_the_cap_is_rung_directly(units: Units, tenant: TenantId) -> None:
    rung = [(await enqueue(units, tenant, cap=3))[1] for _ in range(5)]
    assert rung == [True, True, True, False, False]


async def test_the_relay_rings_tenants_in_turn_and_none_over_its_cap(units: Units, relay: RelayView) -> None:
    greedy, modest = TenantId(new_id()), TenantId(new_id())
    for _ in range(30):
        await enqueue(units, greedy, cap=0)
    for _ in range(2):
        await enqueue(units, modest, cap=0)
    due = await relay.take_due(cap=10, batch=6)
    assert Counter(one.tenant_id for one in due) == {greedy: 4, modest: 2}
    assert Counter(one.tenant_id for one in await relay.take_due(cap=10, batch=100)) == {greedy: 6}
    assert await relay.take_due(cap=10, batch=100) == []


async def test_of_ingestions_a_tenant_has_fewer_in_hand(units: Units, tenant: TenantId, relay: RelayView) -> None:
    for kind in [JobKind.DOCUMENT_INGEST] * 5 + [JobKind.CHAPTER_GENERATE] * 3:
        async with units(tenant) as uow:
            await uow.jobs.enqueue(Job(tenant, JobId(new_id()), kind, QUEUES[kind]), concurrency_max=0)
    due = await relay.take_due(cap=10, batch=10, ingestions=2)
    assert Counter(one.queue for one in due) == {"ingestion": 2, "generation": 3}
    assert await relay.take_due(cap=10, batch=10, ingestions=2) == []


async def test_two_relays_ring_each_job_once(units: Units, tenant: TenantId, relay: RelayView) -> None:
    jobs = {(await enqueue(units, tenant, cap=0))[0] for _ in range(20)}
    taken = await asyncio.gather(*(relay.take_due(cap=100, batch=20) for _ in range(4)))
    rung = [one.job_id for batch in taken for one in batch]
    assert sorted(rung) == sorted(jobs)


async def test_a_job_that_nobody_claims_is_rung_again(
    units: Units, tenant: TenantId, relay: RelayView, admin: Database
) -> None:
    job_id, rung = await enqueue(units, tenant)
    assert rung
    assert await relay.take_due(cap=10, batch=10) == []
    async with admin.engine.begin() as connection:
        later = "update app.outbox set due_at = due_at - interval '5 s', rung_at = rung_at - interval '5 s'"
        await connection.execute(text(later))
    assert [one.job_id for one in await relay.take_due(cap=10, batch=10)] == [job_id]


async def test_a_paused_queue_is_neither_rung_nor_claimed(units: Units, tenant: TenantId, relay: RelayView) -> None:
    job_id, _ = await enqueue(units, tenant, cap=0)
    async with units(tenant) as uow:
        await uow.jobs.pause("generation", paused=True)
    try:
        assert await relay.take_due(cap=10, batch=10) == []
        assert await claim(units, tenant, job_id) is None
    finally:
        async with units(tenant) as uow:
            await uow.jobs.pause("generation", paused=False)
    assert [one.job_id for one in await relay.take_due(cap=10, batch=10)] == [job_id]


async def test_a_queued_job_without_a_doorbell_gets_one(
    units: Units, tenant: TenantId, relay: RelayView, admin: Database
) -> None:
    job_id, _ = await enqueue(units, tenant, cap=0)
    async with admin.engine.begin() as connection:
        await connection.execute(text("truncate app.outbox"))
    assert [one.job_id for one in await relay.silent(batch=10)] == [job_id]
    async with units(tenant) as uow:
        await uow.jobs.restore_doorbell(job_id)
    assert await relay.silent(batch=10) == []
    assert [one.job_id for one in await relay.take_due(cap=10, batch=10)] == [job_id]


@pytest.mark.parametrize(
    ("first", "then", "why"),
    [
        ("state = 'CANCELLED', finished_at = now()", "progress = 5", "has ended"),
        ("progress = 1", "state = 'SUCCEEDED', finished_at = now()", "cannot go from QUEUED to SUCCEEDED"),
        ("attempt = 2", "attempt = 1", "cannot go back an attempt"),
    ],
)
async def test_a_job_moves_only_forward(
    admin: Database, units: Units, tenant: TenantId, first: str, then: str, why: str
) -> None:
    job_id, _ = await enqueue(units, tenant)
    async with admin.engine.connect() as connection:
        await connection.execute(text(f"update app.jobs set {first} where id = :id"), {"id": job_id})
        with pytest.raises(DBAPIError, match=why):
            await connection.execute(text(f"update app.jobs set {then} where id = :id"), {"id": job_id})
