"""Cancel flags: a key that reaches a running worker within a tenth of a second. The row in PostgreSQL is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.ids import JobId
from persistence.streams.log import shard_of

FLAG_TTL_S = 3600


def _key(job_id: JobId) -> str:
    return f"{shard_of(job_id)}:cancel:{job_id}"


class CancelFlags:
    def __init__(self, redis: Any) -> None:
        self._redis = redis

    async def raise_for(self, job_id: JobId) -> None:
        await self._redis.set(_key(job_id), b"1", ex=FLAG_TTL_S)

    async def raised(self, job_ids: Sequence[JobId]) -> set[JobId]:
        """Which of these jobs have been asked to stop; one round trip."""
        if not job_ids:
            return set()
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.exists(_key(job_id))
            answers = await pipe.execute()
        return {job_id for job_id, there in zip(job_ids, answers, strict=True) if there}
