"""Starting, stopping and retrying a generation: what a request writes, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.accounts import Role
from domain.billing import Price, QuotaExhausted
from domain.errors import ErrorCode
from domain.generation import attempts, service
from domain.generation.context import ContextTooSmall
from domain.generation.endings import Ending, cancelled, completed, failed, truncated
from domain.generation.entities import TruncationReason
from domain.generation.starting import Started
from domain.ids import ChannelId, JobId, NodeId, new_id
from domain.projects.service import delete_node
from tests.domain.generation.outcomes import TEXT, balances, open_holds, result
from tests.domain.memory import NOW
from tests.domain.world import CREDIT_MICROS, World, refused

# Starting.


async def test_a_start_writes_the_key_the_job_the_hold_and_its_doorbell_together(world: World) -> None:
    chapter = await world.ready()
    started = await world.start(chapter, instructions="Let Mira doubt.", target_words=500)
    assert started.job_id is not None
    job, generation = world.job(started.job_id), world.generation(started.job_id)
    assert (job.state, job.attempt, job.kind, job.queue) == ("QUEUED", 0, "generation.chapter", "generation")
    assert (job.requested_by, job.principal) == (world.author.user_id, world.author.principal)
    assert (generation.state, generation.target_words, generation.max_output_tokens) == ("QUEUED", 500, 910)
    assert generation.prompt[-1]["content"].endswith("## The author's instructions\nLet Mira doubt.")
    assert world.uow.jobs.outbox == {job.id}
    held = -(-(generation.receipt["prompt_tokens"] * 500_000 + 910 * 2_000_000) // 1_000_000)
    assert balances(world) == {"AVAILABLE": CREDIT_MICROS - held, "HELD": held, "FUNDING": -CREDIT_MICROS}
    assert (chapter.status, started.ring, started.replayed) == ("GENERATING", True, False)


async def test_the_same_key_with_the_same_body_answers_with_the_same_generation(world: World) -> None:
    chapter = await world.ready()
    one = await world.start(chapter, instructions="Go on.")
    two = await world.start(chapter, key=" key-1 ", instructions="Go on.", trace_parent="00-other-trace")
    assert two == Started(one.generation_id, None, replayed=True, ring=False)
    assert len(world.uow.jobs.jobs) == len(world.uow.billing.holds) == 1


@pytest.mark.parametrize("other", [{"instructions": "Else."}, {"target_words": 9}, {"model": "writer-2"}])
async def test_the_same_key_with_another_body_conflicts(world: World, other: dict[str, Any]) -> None:
    chapter = await world.ready()
    await world.start(chapter)
    with refused(ErrorCode.IDEMPOTENCY_CONFLICT, "idempotencyKey"):
        await world.start(chapter, **other)
    assert len(world.uow.jobs.jobs) == 1


async def test_two_people_may_use_one_key(world: World) -> None:
    chapter = await world.ready()
    one = await world.start(chapter)
    world.author = world.actor(Role.AUTHOR)
    two = await world.start(chapter, instructions="Mine.")
    assert (two.replayed, one.generation_id != two.generation_id) == (False, True)


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"instructions": "x" * 20_001}, ErrorCode.TOO_LONG, "instructions"),
        ({"instructions": "a\x00"}, ErrorCode.INVALID_CHARACTERS, "instructions"),
        ({"target_words": 0}, ErrorCode.BAD_USER_INPUT, "targetWords"),
        ({"target_words": 20_001}, ErrorCode.BAD_USER_INPUT, "targetWords"),
        ({"key": " "}, ErrorCode.EMPTY, "idempotencyKey"),
        ({"key": "x" * 201}, ErrorCode.TOO_LONG, "idempotencyKey"),
        ({"model": ""}, ErrorCode.EMPTY, "model"),
        ({"channel_id": ChannelId(new_id())}, ErrorCode.NOT_FOUND, "channelId"),
    ],
)
async def test_a_request_that_cannot_be_met_is_refused_at_its_field_and_starts_nothing(
    world: World, values: dict[str, object], code: ErrorCode, field: str
) -> None:
    chapter = await world.ready()
    with refused(code, field):
        await world.start(chapter, **values)  # type: ignore[arg-type]
    assert (world.uow.jobs.jobs, world.uow.billing.holds, chapter.status) == ({}, {}, "PLANNED")


async def test_a_wallet_that_cannot_cover_the_estimate_starts_nothing(world: World) -> None:
    world.channel()
    await world.credit(1_000)
    chapter = await world.node(await world.project())
    with pytest.raises(QuotaExhausted) as caught:
        await world.start(chapter)
    assert caught.value.needed.micros > caught.value.available.micros == 1_000
    assert world.uow.billing.holds == {}


async def test_a_model_too_small_for_the_authors_words_is_told_before_any_money_moves(world: World) -> None:
    world.channel(context_window=2_360)
    await world.credit()
    chapter = await world.node(await world.project())
    with pytest.raises(ContextTooSmall) as caught:
        await world.start(chapter)
    assert (caught.value.required_tokens, caught.value.budget_tokens) == (104, 1_534 - 1_456)
    assert (world.uow.jobs.jobs, len(world.uow.billing.entries)) == ({}, 1)


async def test_without_a_channel_there_is_nothing_to_write_with(world: World) -> None:
    await world.credit()
    chapter = await world.node(await world.project())
    with refused(ErrorCode.NO_CHANNEL):
        await world.start(chapter)
    world.channel(enabled=False)
    with refused(ErrorCode.NO_CHANNEL):
        await world.start(chapter, key="key-2")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING])
async def test_who_may_not_generate_starts_stops_and_retries_nothing(world: World, role: Role) -> None:
    chapter = await world.ready()
    started = await world.start(chapter)
    assert started.job_id is not None
    world.author = world.actor(role)
    for attempt in (
        world.start(chapter, key="key-2"),
        service.cancel(world.uow, world.author, started.job_id),
        service.retry(world.uow, world.author, started.job_id, "key-3", concurrency_max=8),
    ):
        with refused(ErrorCode.FORBIDDEN):
            await attempt
    assert [job.state for job in world.uow.jobs.jobs.values()] == ["QUEUED"]


async def test_a_free_model_writes_for_an_empty_wallet(world: World) -> None:
    world.channel()
    world.uow.billing.prices["writer-1"] = Price("writer-1", 0, 0, 0)
    await world.uow.billing.open_wallet()
    lease = await world.running(await world.node(await world.project()))
    await attempts.finish(world.uow, lease, result(completed()))
    assert (world.job(lease.job_id).state, world.uow.billing.entries) == ("SUCCEEDED", [])


# Cancelling.


async def test_a_queued_job_is_cancelled_at_once_and_its_hold_given_back(world: World) -> None:
    chapter = await world.ready()
    started = await world.start(chapter)
    assert started.job_id is not None
    generation, tell_worker = await service.cancel(world.uow, world.author, started.job_id)
    assert (generation.state, generation.finished_at, tell_worker) == ("CANCELLED", NOW, False)
    assert (world.job(started.job_id).state, world.uow.jobs.outbox, chapter.status) == ("CANCELLED", set(), "PLANNED")
    assert balances(world) == {"AVAILABLE": CREDIT_MICROS, "FUNDING": -CREDIT_MICROS}


async def test_a_running_job_is_asked_to_stop_and_its_worker_is_told_each_time(world: World) -> None:
    lease = await world.running(await world.ready())
    for _ in range(2):
        generation, tell_worker = await service.cancel(world.uow, world.author, lease.job_id)
        assert (generation.state, tell_worker) == ("CANCELLING", True)
    assert (world.job(lease.job_id).state, open_holds(world)) == ("CANCELLING", [lease.job_id])
    assert await world.uow.jobs.beat(lease, 5.0, 10) is True


async def test_a_model_that_stops_before_the_cancel_reaches_it_has_completed(world: World) -> None:
    lease = await world.running(await world.ready())
    await service.cancel(world.uow, world.author, lease.job_id)
    await attempts.finish(world.uow, lease, result(completed()))
    assert world.job(lease.job_id).state == "SUCCEEDED"


async def test_cancelling_what_has_ended_changes_nothing(world: World) -> None:
    lease = await world.running(await world.ready())
    await attempts.finish(world.uow, lease, result(completed()))
    generation, tell_worker = await service.cancel(world.uow, world.author, lease.job_id)
    assert (generation.state, tell_worker, world.job(lease.job_id).state) == ("COMPLETED", False, "SUCCEEDED")


async def test_a_job_that_is_not_there_is_not_found(world: World) -> None:
    missing = JobId(new_id())
    with refused(ErrorCode.NOT_FOUND, "id"):
        await service.cancel(world.uow, world.author, missing)
    with refused(ErrorCode.NOT_FOUND, "id"):
        await service.retry(world.uow, world.author, missing, "key-1", concurrency_max=8)


# Retrying.


async def test_a_failed_job_is_tried_again_as_a_new_one_with_the_same_prompt(world: World) -> None:
    chapter = await world.ready()
    lease = await world.running(chapter)
    await attempts.finish(world.uow, lease, result(failed("OVERLOADED", "Busy.")))
    again = await service.retry(world.uow, world.author, lease.job_id, "retry-1", concurrency_max=8)
    assert again.job_id is not None
    old, new = world.generation(lease.job_id), world.generation(again.job_id)
    assert (new.prompt, new.receipt, new.model, new.instructions) == (
        old.prompt, old.receipt, old.model, old.instructions,
    )  # fmt: skip
    assert (new.state, new.error_code, world.job(again.job_id).retry_of) == ("QUEUED", None, lease.job_id)
    assert (world.job(lease.job_id).state, open_holds(world)) == ("FAILED", [again.job_id])
    assert chapter.status == "GENERATING"
    replay = await service.retry(world.uow, world.author, lease.job_id, "retry-1", concurrency_max=8)
    assert (replay.generation_id, replay.replayed) == (new.id, True)


@pytest.mark.parametrize("ending", [failed("X", "Y"), cancelled(TEXT), truncated(TruncationReason.LENGTH)])
async def test_whatever_ended_without_success_can_be_retried(world: World, ending: Ending) -> None:
    lease = await world.running(await world.ready())
    await attempts.finish(world.uow, lease, result(ending))
    assert (await service.retry(world.uow, world.author, lease.job_id, "k", concurrency_max=8)).job_id is not None


async def test_what_has_not_ended_or_has_succeeded_cannot_be_retried(world: World) -> None:
    lease = await world.running(await world.ready())
    with refused(ErrorCode.INVALID_STATE, "id"):
        await service.retry(world.uow, world.author, lease.job_id, "k1", concurrency_max=8)
    await attempts.finish(world.uow, lease, result(completed()))
    with refused(ErrorCode.INVALID_STATE, "id"):
        await service.retry(world.uow, world.author, lease.job_id, "k2", concurrency_max=8)


async def test_a_chapter_that_was_deleted_is_neither_written_nor_retried(world: World) -> None:
    chapter = await world.ready()
    lease = await world.running(chapter)
    await attempts.finish(world.uow, lease, result(failed("X", "Y")))
    await delete_node(world.uow.projects, world.author, chapter.id, NOW)
    with refused(ErrorCode.NOT_FOUND, "chapterId"):
        await world.start(chapter, key="key-2")
    with refused(ErrorCode.NOT_FOUND, "id"):
        await service.retry(world.uow, world.author, lease.job_id, "k", concurrency_max=8)
    with refused(ErrorCode.NOT_FOUND, "chapterId"):
        await world.start(replace(chapter, id=NodeId(new_id())), key="key-3")
