"""The generation room of a unit of work."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.generation.context import OUTPUT_MARGIN
from domain.generation.entities import Attempt, Generation, Route
from domain.generation.estimate import SAMPLES_MAX, Sample
from domain.ids import GenerationId, JobId, TenantId
from persistence.generation.tables import attempts, generations


class SqlGeneration:
    """Implements `domain.generation.store.GenerationStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add(self, row: Generation | Attempt) -> None:
        self._session.add(row)
        await self._session.flush()

    async def generation(self, generation_id: GenerationId) -> Generation | None:
        return await self._session.get(Generation, (self._tenant_id, generation_id))

    async def of_job(self, job_id: JobId) -> Generation | None:
        return await self._session.scalar(
            select(Generation).where(generations.c.tenant_id == self._tenant_id, generations.c.job_id == job_id)
        )

    async def attempt(self, generation_id: GenerationId, number: int) -> Attempt | None:
        return await self._session.get(Attempt, (self._tenant_id, generation_id, number))

    async def route(self, generation_id: GenerationId, number: int, route: Route) -> None:
        values = {"channel_id": route.channel_id, "channel": route.channel, "model": route.model}
        generation, attempt = generations.c, attempts.c
        await self._session.execute(
            update(attempts)
            .where(
                attempt.tenant_id == self._tenant_id, attempt.generation_id == generation_id, attempt.number == number
            )
            .values(decision=route.decision, **values)
        )
        await self._session.execute(
            update(generations)
            .where(generation.tenant_id == self._tenant_id, generation.id == generation_id)
            .values(channel_id=route.channel_id, channel=route.channel)
        )

    async def samples(self, model: str) -> list[Sample]:
        attempt, generation = attempts.c, generations.c
        rows = await self._session.execute(
            select(
                generation.receipt["prompt_tokens"].as_integer(), attempt.input_tokens, generation.max_output_tokens,
                attempt.output_tokens,
            )
            .join(
                attempts, (attempt.tenant_id == generation.tenant_id) & (attempt.generation_id == generation.id)
            )
            .where(
                generation.tenant_id == self._tenant_id, generation.node_id.is_not(None), generation.model == model, attempt.model == model,
                attempt.outcome == "COMPLETED", attempt.usage_source == "PROVIDER_FINAL",
            )
            .order_by(generation.id.desc())
            .limit(SAMPLES_MAX)
        )  # fmt: skip
        return [Sample(prompt, counted, round(most / OUTPUT_MARGIN), output) for prompt, counted, most, output in rows]

    async def checkpoint(
        self, generation_id: GenerationId, number: int, text: str, first_token_at: datetime | None
    ) -> None:
        await self._session.execute(
            update(attempts)
            .where(
                attempts.c.tenant_id == self._tenant_id,
                attempts.c.generation_id == generation_id,
                attempts.c.number == number,
            )
            .values(text=text, first_token_at=func.coalesce(attempts.c.first_token_at, first_token_at))
        )
        await self._session.execute(
            update(generations)
            .where(
                generations.c.tenant_id == self._tenant_id,
                generations.c.id == generation_id,
                generations.c.state == "PREPARING",
            )
            .values(state="STREAMING")
        )
