"""What every start of a generation has in common: who may serve it, its job, and the hold on its cost."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domain.accounts import Actor
from domain.billing import QuotaExhausted, Spender, Usage, cost, take_hold
from domain.channels.entities import Channel
from domain.channels.offers import Offered, offered
from domain.channels.service import current_policy
from domain.errors import ErrorCode, Rejected
from domain.generation.context import Compiled
from domain.generation.entities import Generation
from domain.ids import ChannelId, GenerationId, JobId, new_id
from domain.invoices.service import refuse_overdue
from domain.jobs import QUEUES, Job, JobKind
from domain.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Started:
    """`ring` tells the caller to ring the doorbell after the commit."""

    generation_id: GenerationId
    job_id: JobId | None
    replayed: bool
    ring: bool


def replayed(generation_id: UUID) -> Started:
    return Started(GenerationId(generation_id), None, replayed=True, ring=False)


async def offers_for(uow: UnitOfWork, channel_id: ChannelId | None, model: str | None) -> Offered:
    return offered(await uow.channels.offered(), await current_policy(uow.channels), channel_id, model)


def new_job(
    uow: UnitOfWork, actor: Actor, kind: JobKind, trace_parent: str | None, retry_of: JobId | None = None
) -> Job:
    return Job(
        uow.tenant_id, JobId(new_id()), kind, QUEUES[kind], requested_by=actor.user_id, principal=actor.principal,
        trace_parent=trace_parent, retry_of=retry_of,
    )  # fmt: skip


def again(before: Generation, job_id: JobId, likeliest: Channel) -> Generation:
    """The same request again, as a new row that nothing has happened to."""
    return Generation(
        before.tenant_id, GenerationId(new_id()), job_id, before.project_id, before.node_id, before.instructions,
        likeliest.id, likeliest.name, before.model, before.prompt, before.receipt, before.max_output_tokens,
        before.target_words, pinned=before.pinned, max_cost_micros=before.max_cost_micros, owner_id=before.owner_id,
        evidence=before.evidence, temperature=before.temperature,
    )  # fmt: skip


async def refuse_unpayable(uow: UnitOfWork, compiled: Compiled, asked: Offered) -> None:
    """Before anything is done for a generation that would be refused: nothing is held, and no lock taken.

    Raises Rejected or QuotaExhausted.
    """
    await refuse_overdue(uow)
    price = await uow.billing.price_of(*asked.offers[0].priced_as)
    needed, available = (
        cost(price, Usage(compiled.prompt_tokens, compiled.max_output_tokens)),
        await uow.billing.available(),
    )
    if needed > available:
        raise QuotaExhausted(needed, available)


async def enqueue(uow: UnitOfWork, job: Job, generation: Generation, asked: Offered, concurrency_max: int) -> bool:
    """Held is what the likeliest channel's longest answer costs: a dearer one makes the hold grow."""
    await refuse_overdue(uow)
    price = await uow.billing.price_of(*asked.offers[0].priced_as)
    prompt_tokens = int(generation.receipt["prompt_tokens"])
    ring = await uow.jobs.enqueue(job, concurrency_max=concurrency_max)
    await uow.generation.add(generation)
    most = cost(price, Usage(prompt_tokens, generation.max_output_tokens))
    if (limit := generation.max_cost_micros) is not None:
        if limit <= cost(price, Usage(prompt_tokens, 0)):
            message = "The prompt alone costs that much. Raise the limit, or leave something out."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "maxCost")
        most = min(most, limit)
    await take_hold(uow.billing, job.id, most, Spender.of(job.requested_by, job.principal, generation.model))
    return ring
