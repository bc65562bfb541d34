"""The jobs room of a unit of work: the queue as rows, fenced by lease tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import LeaseLost
from domain.ids import JobId, TenantId
from domain.jobs import KEY_TTL_S, REDELIVERY_S, IdempotencyKey, Job, JobState, Lease, UsedKey
from persistence.jobs.tables import idempotency_keys, jobs, outbox, queue_controls

LEASED = (JobState.RUNNING, JobState.CANCELLING)


def after(seconds: float) -> ColumnElement[Any]:
    """The wall clock from now, not the transaction's start: leases outlive transactions."""
    return func.clock_timestamp() + literal(timedelta(seconds=seconds))


class SqlJobs:
    """Implements `domain.jobs.JobStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def claim_key(self, key: IdempotencyKey) -> UsedKey | None:
        scope = {"tenant_id": self._tenant_id, "principal": key.principal, "operation": key.operation, "key": key.key}
        # The insert waits for a concurrent holder of the key: it either commits, and we replay, or rolls back.
        inserted = await self._session.execute(
            upsert(idempotency_keys)
            .values(**scope, body_hash=key.body_hash)
            .on_conflict_do_update(
                constraint="idempotency_keys_pkey",
                set_={"body_hash": key.body_hash, "result_id": None, "created_at": func.now()},
                where=idempotency_keys.c.created_at < after(-KEY_TTL_S),
            )
            .returning(idempotency_keys.c.key)
        )
        if inserted.first() is not None:
            return None
        used = (
            await self._session.execute(
                select(idempotency_keys.c.result_id, idempotency_keys.c.body_hash).filter_by(**scope)
            )
        ).one()
        return UsedKey(used.result_id, used.body_hash == key.body_hash)

    async def complete_key(self, key: IdempotencyKey, result_id: UUID) -> None:
        await self._session.execute(
            update(idempotency_keys)
            .filter_by(tenant_id=self._tenant_id, principal=key.principal, operation=key.operation, key=key.key)
            .values(result_id=result_id)
        )

    async def enqueue(self, job: Job, *, concurrency_max: int) -> bool:
        self._session.add(job)
        await self._session.flush()
        # One start of a tenant at a time, until it commits: of many at once, none would count the others.
        await self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(self._tenant_id), 0))))
        ring = await self._in_hand(job.queue) < concurrency_max and not await self._paused(job.queue)
        await self._session.execute(
            insert(outbox).values(
                tenant_id=self._tenant_id,
                job_id=job.id,
                queue=job.queue,
                due_at=after(REDELIVERY_S) if ring else func.now(),
                rung_at=func.clock_timestamp() if ring else None,
            )
        )
        return ring

    async def _in_hand(self, queue: str) -> int:
        """Jobs of this tenant in a queue that a worker has, or has just been told of."""
        running = (
            select(func.count())
            .select_from(jobs)
            .where(jobs.c.tenant_id == self._tenant_id, jobs.c.queue == queue, jobs.c.lease_token.is_not(None))
            .scalar_subquery()
        )
        rung = (
            select(func.count())
            .select_from(outbox)
            .where(
                outbox.c.tenant_id == self._tenant_id, outbox.c.queue == queue, outbox.c.rung_at > after(-REDELIVERY_S)
            )
            .scalar_subquery()
        )
        return await self._session.scalar(select(running + rung)) or 0

    async def _paused(self, queue: str) -> bool:
        paused = select(queue_controls.c.paused).where(queue_controls.c.queue == queue)
        return bool(await self._session.scalar(paused))

    async def begin(self, job: Job, lease_s: float) -> Lease:
        lease = Lease(self._tenant_id, job.id, uuid4(), 1)
        begun = {"state": JobState.RUNNING, "attempt": lease.attempt, "lease_token": lease.token}
        begun |= {"lease_expires_at": after(lease_s), "started_at": func.now()}
        self._session.add(job)
        await self._session.flush()
        await self._session.execute(update(jobs).where(*self._is(job.id)).values(**begun))
        return lease

    async def claim(self, job_id: JobId, worker: str, lease_s: float) -> Lease | None:
        paused = select(queue_controls.c.queue).where(queue_controls.c.paused)
        claimed = await self._session.execute(
            update(jobs)
            .where(*self._is(job_id), jobs.c.state == JobState.QUEUED, jobs.c.queue.not_in(paused))
            .values(
                state=JobState.RUNNING,
                attempt=jobs.c.attempt + 1,
                lease_token=uuid4(),
                lease_expires_at=after(lease_s),
                worker=worker,
                started_at=func.coalesce(jobs.c.started_at, func.now()),
            )
            .returning(jobs.c.attempt, jobs.c.lease_token)
        )
        row = claimed.first()
        if row is None:
            return None
        await self._take_from_outbox(job_id)
        return Lease(self._tenant_id, job_id, row.lease_token, row.attempt)

    async def next_attempt(self, lease: Lease) -> Lease:
        row = await self._fenced(
            lease, jobs.c.attempt == lease.attempt, attempt=jobs.c.attempt + 1, failures=jobs.c.failures + 1
        )
        return Lease(lease.tenant_id, lease.job_id, lease.token, row.attempt)

    async def beat(self, lease: Lease, lease_s: float, percent: int) -> bool:
        row = await self._fenced(lease, lease_expires_at=after(lease_s), progress=percent)
        return row.cancel_requested_at is not None

    async def close(self, lease: Lease, state: JobState, error: tuple[str, str] | None) -> None:
        code, message = error or (None, None)
        await self._fenced(
            lease,
            state=state,
            lease_token=None,
            lease_expires_at=None,
            progress=100 if state is JobState.SUCCEEDED else jobs.c.progress,
            error_code=code,
            error_message=message,
            finished_at=func.now(),
        )

    async def job(self, job_id: JobId) -> Job | None:
        return await self._session.get(Job, (self._tenant_id, job_id))

    async def lock(self, job_id: JobId) -> Job | None:
        return await self._session.get(Job, (self._tenant_id, job_id), with_for_update=True, populate_existing=True)

    async def cancel_queued(self, job: Job) -> None:
        await self._session.execute(
            update(jobs)
            .where(*self._is(job.id), jobs.c.state == JobState.QUEUED)
            .values(state=JobState.CANCELLED, cancel_requested_at=func.now(), finished_at=func.now())
        )
        await self._take_from_outbox(job.id)

    async def ask_cancel(self, job: Job) -> None:
        await self._session.execute(
            update(jobs)
            .where(*self._is(job.id), jobs.c.state == JobState.RUNNING)
            .values(state=JobState.CANCELLING, cancel_requested_at=func.now())
        )

    async def reclaim(self, job_id: JobId) -> tuple[Job, Lease] | None:
        token = uuid4()
        taken = await self._session.execute(
            update(jobs)
            .where(*self._is(job_id), jobs.c.state.in_(LEASED), jobs.c.lease_expires_at < func.clock_timestamp())
            .values(lease_token=token, crashes=jobs.c.crashes + 1)
            .returning(jobs.c.attempt)
        )
        row = taken.first()
        job = await self.lock(job_id) if row is not None else None
        if row is None or job is None:
            return None
        return job, Lease(self._tenant_id, job_id, token, row.attempt)

    async def requeue(self, lease: Lease) -> None:
        row = await self._fenced(lease, state=JobState.QUEUED, lease_token=None, lease_expires_at=None)
        await self._session.execute(
            insert(outbox).values(tenant_id=self._tenant_id, job_id=lease.job_id, queue=row.queue)
        )

    async def restore_doorbell(self, job_id: JobId) -> None:
        queued = select(jobs.c.tenant_id, jobs.c.id, jobs.c.queue).where(
            *self._is(job_id), jobs.c.state == JobState.QUEUED
        )
        columns = ["tenant_id", "job_id", "queue"]
        await self._session.execute(upsert(outbox).from_select(columns, queued).on_conflict_do_nothing())

    async def pause(self, queue: str, *, paused: bool) -> None:
        values = {"paused": paused, "changed_at": func.now()}
        await self._session.execute(
            upsert(queue_controls)
            .values(queue=queue, **values)
            .on_conflict_do_update(index_elements=["queue"], set_=values)
        )

    async def _fenced(self, lease: Lease, *more: ColumnElement[bool], **values: Any) -> Any:
        """Change the job's row if it is still under our lease."""
        changed = await self._session.execute(
            update(jobs)
            .where(*self._is(lease.job_id), jobs.c.lease_token == lease.token, *more)
            .values(**values)
            .returning(jobs.c.attempt, jobs.c.queue, jobs.c.cancel_requested_at)
        )
        row = changed.first()
        if row is None:
            raise LeaseLost
        return row

    async def _take_from_outbox(self, job_id: JobId) -> None:
        await self._session.execute(
            delete(outbox).where(outbox.c.tenant_id == self._tenant_id, outbox.c.job_id == job_id)
        )

    def _is(self, job_id: JobId) -> tuple[ColumnElement[bool], ...]:
        return jobs.c.tenant_id == self._tenant_id, jobs.c.id == job_id
