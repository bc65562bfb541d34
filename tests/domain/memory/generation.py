"""The generation room, in memory."""

from __future__ import annotations

from datetime import datetime

from domain.generation.entities import Attempt, Generation, GenerationState, Route
from domain.generation.estimate import Sample
from domain.ids import GenerationId, JobId


class MemoryGeneration:
    """Implements `domain.generation.store.GenerationStore`."""

    def __init__(self) -> None:
        self.generations: dict[GenerationId, Generation] = {}
        self.known_samples: list[Sample] = []
        self.attempts: dict[tuple[GenerationId, int], Attempt] = {}

    async def add(self, row: Generation | Attempt) -> None:
        if isinstance(row, Generation):
            self.generations[row.id] = row
        elif (row.generation_id, row.number) in self.attempts:
            raise ValueError("attempts_pkey")
        else:
            self.attempts[row.generation_id, row.number] = row

    async def generation(self, generation_id: GenerationId) -> Generation | None:
        return self.generations.get(generation_id)

    async def of_job(self, job_id: JobId) -> Generation | None:
        return next((one for one in self.generations.values() if one.job_id == job_id), None)

    async def attempt(self, generation_id: GenerationId, number: int) -> Attempt | None:
        return self.attempts.get((generation_id, number))

    async def route(self, generation_id: GenerationId, number: int, route: Route) -> None:
        attempt, generation = self.attempts[generation_id, number], self.generations[generation_id]
        attempt.channel_id, attempt.channel, attempt.model = route.channel_id, route.channel, route.model
        attempt.decision = route.decision
        generation.channel_id, generation.channel = route.channel_id, route.channel

    async def samples(self, model: str) -> list[Sample]:
        return self.known_samples

    async def checkpoint(
        self, generation_id: GenerationId, number: int, text: str, first_token_at: datetime | None
    ) -> None:
        attempt, generation = self.attempts[generation_id, number], self.generations[generation_id]
        attempt.text, attempt.first_token_at = text, attempt.first_token_at or first_token_at
        if generation.state == GenerationState.PREPARING:
            generation.state = GenerationState.STREAMING
