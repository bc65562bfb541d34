"""What the generation room asks of persistence."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from domain.generation.entities import Attempt, Generation, Route
from domain.generation.estimate import Sample
from domain.ids import GenerationId, JobId


class GenerationStore(Protocol):
    async def add(self, row: Generation | Attempt) -> None: ...
    async def generation(self, generation_id: GenerationId) -> Generation | None: ...
    async def of_job(self, job_id: JobId) -> Generation | None: ...
    async def attempt(self, generation_id: GenerationId, number: int) -> Attempt | None: ...
    async def route(self, generation_id: GenerationId, number: int, route: Route) -> None:
        """Note which channel an attempt goes through. Only under a lease, as `checkpoint`."""
        ...

    async def samples(self, model: str) -> list[Sample]:
        """The tenant's last answers of a model that it finished and counted itself, SAMPLES_MAX at most.

        `aimed_tokens` is left to the length limit that each was given.
        """
        ...

    async def checkpoint(
        self, generation_id: GenerationId, number: int, text: str, first_token_at: datetime | None
    ) -> None:
        """Keep the text so far. Only under a lease that `beat` has just confirmed in the same unit of work."""
        ...
