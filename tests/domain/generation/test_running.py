"""A generation under its lease: attempts, one end, and text and money in the same step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.billing import AccountKind, Usage
from domain.channels.entities import ProviderKind
from domain.errors import LeaseLost
from domain.generation import attempts, service
from domain.generation.endings import Ending, after_finish, cancelled, completed, failed, truncated
from domain.generation.entities import AttemptOutcome, GenerationState, TruncationReason
from domain.generation.provider import FinishReason
from domain.generation.work import begin
from domain.ids import new_id
from domain.jobs import CRASHES_MAX, Lease
from domain.projects.service import ANY_BASE, accept_version, delete_node, update_text
from tests.domain.generation.outcomes import COST, TEXT, balances, open_holds, result
from tests.domain.memory import NOW
from tests.domain.world import CREDIT_MICROS, World

# One attempt.


async def test_a_claimed_generation_opens_its_attempt(world: World) -> None:
    lease = await world.running(await world.ready())
    generation = world.generation(lease.job_id)
    (attempt,) = world.attempts(generation.id)
    assert (generation.state, attempt.number, attempt.outcome, attempt.started_at) == ("PREPARING", 1, "RUNNING", NOW)
    assert (attempt.channel, attempt.model) == ("main", "writer-1")


async def test_a_completed_generation_leaves_a_candidate_a_receipt_and_a_settled_hold(world: World) -> None:
    chapter = await world.ready()
    lease = await world.running(chapter)
    version_id = (await attempts.finish(world.uow, lease, result(completed()))).version_id
    assert version_id is not None
    version, generation = world.uow.projects.versions[version_id], world.generation(lease.job_id)
    assert (version.text, version.state, version.origin, version.number) == (TEXT, "CANDIDATE", "AI", 1)
    assert (version.model, version.channel, version.generation_id) == ("writer-1", "main", generation.id)
    assert (generation.state, generation.version_id, generation.finished_at) == ("COMPLETED", version_id, NOW)
    (attempt,) = world.attempts(generation.id)
    assert (attempt.outcome, attempt.text, attempt.cost_micros) == ("COMPLETED", TEXT, COST)
    assert (attempt.input_tokens, attempt.output_tokens, attempt.usage_source) == (1_000, 200, "PROVIDER_FINAL")
    job = world.job(lease.job_id)
    assert (job.state, job.lease_token, job.error_code) == ("SUCCEEDED", None, None)
    assert balances(world) == {"AVAILABLE": CREDIT_MICROS - COST, "SPENT": COST, "FUNDING": -CREDIT_MICROS}
    assert (chapter.status, chapter.current_version_id) == ("PLANNED", None)


ENDINGS = [
    (after_finish(FinishReason.LENGTH, TEXT), "TRUNCATED", COST),
    (truncated(TruncationReason.BUDGET), "TRUNCATED", COST),
    (truncated(TruncationReason.CUT, "CUT", "It broke off."), "TRUNCATED", COST),
    (cancelled(TEXT), "CANCELLED", COST),
    (failed("OVERLOADED", "The model is busy."), "FAILED", 0),
    (after_finish(FinishReason.STOP, " "), "FAILED", 0),
]


@pytest.mark.parametrize(("ending", "state", "charged"), ENDINGS)
async def test_an_author_pays_for_text_that_is_kept_and_for_nothing_else(
    world: World, ending: Ending, state: str, charged: int
) -> None:
    lease = await world.running(await world.ready())
    ended = await attempts.finish(world.uow, lease, result(ending))
    version_id = ended.version_id
    assert ended.charged_micros == charged
    assert (world.job(lease.job_id).state, version_id is not None) == (state, charged > 0)
    assert world.uow.billing.balance[AccountKind.SPENT] == charged
    assert world.uow.billing.balance[AccountKind.AVAILABLE] == CREDIT_MICROS - charged
    assert open_holds(world) == []
    generation = world.generation(lease.job_id)
    (record,) = world.uow.billing.usage.values()
    assert (record.cost_micros, record.billed) == (COST, charged > 0)
    assert world.uow.billing.balance[AccountKind.COST] == COST - charged
    assert (record.price_id, record.project_id) == (world.uow.billing.versions[0].id, generation.project_id)
    assert (generation.error_code, generation.truncation_reason) == (ending.code, ending.truncation)


async def test_a_call_that_cost_more_than_its_hold_is_charged_the_hold(world: World) -> None:
    lease = await world.running(await world.ready())
    held = world.uow.billing.holds[lease.job_id].micros
    await attempts.finish(world.uow, lease, result(completed(), usage=Usage(1_000_000, 1_000_000)))
    assert balances(world) == {
        "AVAILABLE": CREDIT_MICROS - held,
        "SPENT": held,
        "OVERRUN": 2_500_000 - held,
        "FUNDING": -CREDIT_MICROS - (2_500_000 - held),
    }


async def test_a_demo_text_says_that_it_is_one(world: World) -> None:
    world.channel(ProviderKind.DEMO)
    await world.credit()
    lease = await world.running(await world.node(await world.project()))
    version_id = (await attempts.finish(world.uow, lease, result(completed()))).version_id
    assert version_id is not None
    assert world.uow.projects.versions[version_id].origin == "DEMO"


async def test_a_generation_ends_once(world: World) -> None:
    lease = await world.running(await world.ready())
    version_id = (await attempts.finish(world.uow, lease, result(completed()))).version_id
    for ending in (completed(), cancelled(TEXT), failed("X", "Y")):
        with pytest.raises(LeaseLost):
            await attempts.finish(world.uow, lease, result(ending))
    assert (list(world.uow.projects.versions), world.job(lease.job_id).state) == ([version_id], "SUCCEEDED")
    assert await attempts.already_ended(world.uow, lease) == attempts.Ended(version_id, COST)


async def test_a_worker_that_lost_its_lease_changes_nothing(world: World) -> None:
    lease = await world.running(await world.ready())
    stale = replace(lease, token=new_id())
    before = repr((world.uow.jobs.jobs, world.uow.generation.attempts, world.uow.billing.entries))
    for write in (
        begin(world.uow, stale),
        attempts.finish(world.uow, stale, result(completed())),
        attempts.switch_attempt(world.uow, stale, result(completed())),
        attempts.hand_back(world.uow, stale, result(attempts.CRASHED)),
        attempts.already_ended(world.uow, lease),
    ):
        with pytest.raises(LeaseLost):
            await write
    assert repr((world.uow.jobs.jobs, world.uow.generation.attempts, world.uow.billing.entries)) == before


# More than one attempt.

CUT = Ending(GenerationState.STREAMING, AttemptOutcome.CUT, keeps_text=False, code="CUT", message="It broke off.")


async def test_an_attempt_that_was_cut_is_the_operators_loss_and_the_next_one_is_paid(world: World) -> None:
    lease = await world.running(await world.ready())
    renewed = await attempts.switch_attempt(world.uow, lease, result(CUT, "The fo"))
    assert (renewed.attempt, renewed.token, world.job(lease.job_id).failures) == (2, lease.token, 1)
    await attempts.finish(world.uow, renewed, result(completed()))
    generation = world.generation(lease.job_id)
    tried = [(one.number, one.outcome, one.text) for one in world.attempts(generation.id)]
    assert tried == [(1, "CUT", "The fo"), (2, "COMPLETED", TEXT)]
    assert [record.billed for record in world.uow.billing.usage.values()] == [False, True]
    assert world.uow.billing.balance[AccountKind.SPENT] == world.uow.billing.balance[AccountKind.COST] == COST
    assert [version.text for version in world.uow.projects.versions.values()] == [TEXT]


async def crash(world: World, lease: Lease, text: str = TEXT) -> str | None:
    """The worker writes a checkpoint and dies; the sweeper finds its job."""
    generation = world.generation(lease.job_id)
    if text:
        await world.uow.generation.checkpoint(generation.id, lease.attempt, text, NOW)
    world.uow.jobs.expire(lease.job_id)
    return await attempts.recover(world.uow, lease.job_id)


async def test_a_job_whose_worker_died_is_queued_again_with_its_doorbell_and_its_hold(world: World) -> None:
    lease = await world.running(await world.ready())
    assert await crash(world, lease) == "QUEUED"
    job, generation = world.job(lease.job_id), world.generation(lease.job_id)
    assert (job.state, job.crashes, job.failures, job.lease_token) == ("QUEUED", 1, 0, None)
    assert (generation.state, open_holds(world), world.uow.jobs.outbox) == ("QUEUED", [job.id], {job.id})
    (attempt,) = world.attempts(generation.id)
    assert (attempt.outcome, attempt.text, attempt.usage_source) == ("CRASHED", TEXT, "ESTIMATE")
    again = await world.claim(job.id)
    assert (again.attempt, again.token != lease.token) == (2, True)
    with pytest.raises(LeaseLost):
        await attempts.finish(world.uow, lease, result(completed()))


async def test_a_job_whose_worker_lives_is_left_alone(world: World) -> None:
    lease = await world.running(await world.ready())
    assert await attempts.recover(world.uow, lease.job_id) is None
    assert (world.job(lease.job_id).state, world.job(lease.job_id).crashes) == ("RUNNING", 0)


async def test_a_job_that_kills_its_workers_fails_at_the_tenth_and_costs_its_author_nothing(world: World) -> None:
    chapter = await world.ready()
    lease = await world.running(chapter)
    states = [await crash(world, lease)]
    while states[-1] == "QUEUED":
        lease = await world.claim(lease.job_id)
        states.append(await crash(world, lease))
    assert states == ["QUEUED"] * (CRASHES_MAX - 1) + ["FAILED"]
    job = world.job(lease.job_id)
    assert (job.state, job.error_code, job.attempt) == ("FAILED", "WORKER_CRASHED", 10)
    assert balances(world) == {"AVAILABLE": CREDIT_MICROS, "FUNDING": -CREDIT_MICROS - 650, "COST": 650}
    assert (chapter.status, len(world.uow.billing.usage)) == ("PLANNED", 10)


async def test_a_dead_workers_cancelled_job_is_cancelled_with_its_checkpoint(world: World) -> None:
    lease = await world.running(await world.ready())
    await service.cancel(world.uow, world.author, lease.job_id)
    assert await crash(world, lease) == "CANCELLED"
    (version,) = world.uow.projects.versions.values()
    assert (version.text, world.generation(lease.job_id).state) == (TEXT, "CANCELLED")
    assert open_holds(world) == []


async def test_a_cancel_while_a_crashed_job_waits_keeps_what_was_written_and_costs_its_author_nothing(
    world: World,
) -> None:
    chapter = await world.ready()
    lease = await world.running(chapter)
    assert await crash(world, lease) == "QUEUED"
    generation, tell_worker = await service.cancel(world.uow, world.author, lease.job_id)
    (version,) = world.uow.projects.versions.values()
    assert (version.text, generation.version_id, generation.state, tell_worker) == (
        TEXT,
        version.id,
        "CANCELLED",
        False,
    )
    assert (chapter.status, open_holds(world)) == ("PLANNED", [])
    assert balances(world) == {"AVAILABLE": CREDIT_MICROS, "FUNDING": -CREDIT_MICROS - 65, "COST": 65}


async def test_a_worker_that_is_told_to_stop_hands_its_job_on_without_blame(world: World) -> None:
    lease = await world.running(await world.ready())
    await attempts.hand_back(world.uow, lease, result(attempts.CRASHED))
    job = world.job(lease.job_id)
    assert (job.state, job.crashes, job.failures, world.uow.jobs.outbox) == ("QUEUED", 0, 0, {job.id})


async def test_a_cancelled_job_is_ended_and_not_handed_on_by_a_worker_that_is_told_to_stop(world: World) -> None:
    lease = await world.running(await world.ready())
    await service.cancel(world.uow, world.author, lease.job_id)
    await attempts.hand_back(world.uow, lease, result(attempts.CRASHED))
    assert (world.job(lease.job_id).state, world.uow.jobs.outbox) == ("CANCELLED", set())
    (version,) = world.uow.projects.versions.values()
    assert (version.text, world.generation(lease.job_id).version_id) == (TEXT, version.id)


# The chapter around it.


async def test_a_chapter_whose_generated_text_was_accepted_stays_so_when_another_try_ends(world: World) -> None:
    chapter = await world.ready()
    lease = await world.running(chapter)
    version_id = (await attempts.finish(world.uow, lease, result(completed()))).version_id
    assert version_id is not None
    await accept_version(world.uow.projects, world.author, version_id, base=ANY_BASE, now=NOW)
    lease = await world.running(chapter, key="key-2")
    assert chapter.status == "GENERATING"
    await attempts.finish(world.uow, lease, result(failed("OVERLOADED", "Busy.")))
    assert chapter.status == "ACCEPTED"


async def test_a_chapter_with_the_authors_own_text_is_a_draft_again(world: World) -> None:
    chapter = await world.ready()
    await update_text(
        world.uow.projects, world.author, chapter.id, text="Mine.", base_version_id=None, note="", now=NOW
    )
    started = await world.start(chapter)
    assert started.job_id is not None
    await service.cancel(world.uow, world.author, started.job_id)
    assert chapter.status == "DRAFT"


async def test_a_chapter_deleted_meanwhile_gets_its_text_all_the_same(world: World) -> None:
    chapter = await world.ready()
    lease = await world.running(chapter)
    await delete_node(world.uow.projects, world.author, chapter.id, NOW)
    assert (await attempts.finish(world.uow, lease, result(completed()))).version_id is not None
    assert (world.job(lease.job_id).state, chapter.status) == ("SUCCEEDED", "PLANNED")


async def test_the_tail_of_the_chapter_before_goes_into_the_prompt(world: World) -> None:
    first = await world.ready()
    await update_text(
        world.uow.projects, world.author, first.id, text="The door was open.", base_version_id=None, note="", now=NOW
    )
    second = await world.node(world.uow.projects.projects[first.project_id], "Two")
    started = await world.start(second)
    assert started.job_id is not None
    assert "<<<\nThe door was open.\n>>>" in world.generation(started.job_id).prompt[1]["content"]
