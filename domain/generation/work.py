"""What a worker needs of a generation that it has claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.billing import Price, Usage, cost
from domain.channels.offers import Offer, every_offer, offers_for
from domain.channels.policy import Policy
from domain.channels.service import current_policy
from domain.errors import LeaseLost, Rejected
from domain.generation.entities import Attempt, Generation, GenerationState
from domain.jobs import JobState, Lease
from domain.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Work:
    """All that a worker needs of a claimed generation. Without `offers` no channel is left for it.

    `prices` are by model and channel.
    """

    generation: Generation
    offers: list[Offer]
    policy: Policy
    prices: Mapping[tuple[str, str], Price]
    failures: int
    trace_parent: str | None
    held: int = 0

    @property
    def prompt_tokens(self) -> int:
        return int(self.generation.receipt["prompt_tokens"])

    @property
    def needed_tokens(self) -> int:
        """Of a model's window: the prompt and the longest answer."""
        return self.prompt_tokens + self.generation.max_output_tokens

    def cost_micros(self, model: str, channel: str) -> int:
        """What the longest answer would cost."""
        return cost(self.prices[model, channel], Usage(self.prompt_tokens, self.generation.max_output_tokens))


async def begin(uow: UnitOfWork, lease: Lease) -> Work:
    """Load a claimed generation and open its attempt's row. Raises LeaseLost when it ended meanwhile."""
    job = await uow.jobs.lock(lease.job_id)
    generation = await uow.generation.of_job(lease.job_id)
    if job is None or generation is None or job.lease_token != lease.token:
        raise LeaseLost
    generation.state = GenerationState.PREPARING if job.state == JobState.RUNNING else GenerationState.CANCELLING
    await uow.generation.add(new_attempt(uow, generation, lease.attempt))
    offers = await _offers(uow, generation)
    calls = {(generation.model, generation.channel), *((one.model.name, one.channel.name) for one in offers)}
    prices = await uow.billing.prices_of(calls)
    policy, held = await current_policy(uow.channels), await uow.billing.held(job.id)
    return Work(generation, offers, policy, prices, job.failures, job.trace_parent, held)


async def _offers(uow: UnitOfWork, generation: Generation) -> list[Offer]:
    """As they are now: since the generation was asked for, channels may have come and gone."""
    channels = await uow.channels.offered()
    listed = any(one.model_named(generation.model) for one in channels)
    if listed and not generation.pinned:
        return every_offer(channels)
    try:
        return offers_for(channels, generation.channel_id, generation.model)
    except Rejected:
        return []


def new_attempt(uow: UnitOfWork, generation: Generation, number: int) -> Attempt:
    return Attempt(
        uow.tenant_id, generation.id, number, generation.channel, generation.model, started_at=uow.now
    )  # fmt: skip
