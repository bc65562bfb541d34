"""What a worker needs of a generation that it has claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from domain.billing import Price, Usage, cost
from domain.channels.offers import Offer, considered, offered
from domain.channels.policy import Policy
from domain.channels.service import current_policy
from domain.errors import LeaseLost, Rejected
from domain.generation import targets
from domain.generation.entities import Attempt, Generation, GenerationState
from domain.jobs import JobState, Lease
from domain.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Work:
    """All that a worker needs of a claimed generation. Without `offers` no channel is left for it.

    `prices` are by what their offers are `priced_as`.
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

    def within_limit(self) -> Work:
        """Without the offers whose prompt alone would cost more than the author allows."""
        limit, prompt = self.generation.max_cost_micros, Usage(self.prompt_tokens, 0)
        if limit is None:
            return self
        return replace(self, offers=[one for one in self.offers if cost(self.price_of(one), prompt) < limit])

    def price_of(self, offer: Offer) -> Price:
        return self.prices[offer.priced_as]

    def cost_micros(self, price: Price) -> int:
        """What the longest answer would cost."""
        return cost(price, Usage(self.prompt_tokens, self.generation.max_output_tokens))


async def begin(uow: UnitOfWork, lease: Lease) -> Work:
    """Load a claimed generation and open its attempt's row. Raises LeaseLost when it ended meanwhile."""
    job = await uow.jobs.lock(lease.job_id)
    generation = await uow.generation.of_job(lease.job_id)
    if job is None or generation is None or job.lease_token != lease.token:
        raise LeaseLost
    generation.state = GenerationState.PREPARING if job.state == JobState.RUNNING else GenerationState.CANCELLING
    await uow.generation.add(new_attempt(uow, generation, lease.attempt))
    await targets.begun(uow, generation)
    policy = Policy() if generation.pinned else await current_policy(uow.channels)
    offers = await _offers(uow, generation, policy)
    prices = await uow.billing.prices_of({one.priced_as for one in offers})
    held = await uow.billing.held(job.id)
    return Work(generation, offers, policy, prices, job.failures, job.trace_parent, held).within_limit()


async def _offers(uow: UnitOfWork, generation: Generation, policy: Policy) -> list[Offer]:
    """As they are now: since the generation was asked for, channels may have come and gone."""
    channels = await uow.channels.offered()
    if not generation.pinned:
        return considered(channels, policy, generation.model)
    try:
        return offered(channels, policy, generation.channel_id, generation.model).offers
    except Rejected:
        return []


def new_attempt(uow: UnitOfWork, generation: Generation, number: int) -> Attempt:
    return Attempt(
        uow.tenant_id, generation.id, number, generation.channel, generation.model, started_at=uow.now
    )  # fmt: skip
