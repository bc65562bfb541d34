"""Answers are written by the engine that writes chapters: the same ends, the same money, the same crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from adapters.demo import DemoProvider
from domain.billing import QuotaExhausted
from domain.conversations.passages import cited
from domain.conversations.policy import ContextPolicy
from domain.events import EventType
from domain.generation import service
from domain.generation.provider import (
    CompletionRequest,
    Finished,
    FinishReason,
    ProviderEvent,
    TextChunk,
    UsageReport,
)
from domain.ids import ConversationId, JobId
from domain.jobs import CRASHES_MAX
from tests.fakes.behaviour import expected_text
from tests.workers.desk import Desk, Doorbells
from tests.workers.talking import answers, conversation, passage, quotes, send
from workers.conversations import follow_up
from workers.relay import Relay
from workers.runtime import Runtime

WHOLE, PART = expected_text(20), expected_text(5)


@pytest.fixture
def demo(worker: Runtime) -> Runtime:
    """The demo engine behind every channel: it sets marks."""
    return replace(worker, provider_for=lambda _: DemoProvider(chunk_delay_s=0))


async def test_an_answer_is_written_into_its_message(desk: Desk) -> None:
    talk = await conversation(desk)
    job_id = await send(desk, talk)
    await desk.run(job_id)
    one = await desk.outcome(job_id)
    one.check()
    [answer] = await answers(desk, talk)
    assert (answer.text, answer.state, one.shown, one.version) == (WHOLE, "COMPLETE", WHOLE, None)
    assert (one.generation.node_id, one.generation.version_id, one.generation.message_id) == (None, None, answer.id)
    assert one.events[-1].data["answer"] == str(answer.id) and one.events[-1].data["version"] is None
    assert one.books.spent > 0 and [(billed, cost > 0) for _, billed, cost in one.usage] == [(True, True)]
    [usage] = await desk._rows("select * from app.usage_records where job_id = :j", j=job_id)
    assert (usage.kind, usage.project_id) == ("LLM", None)


@pytest.mark.parametrize(
    ("mode", "state", "text"),
    [
        ("length", "TRUNCATED", WHOLE), ("status:status=401", "FAILED", ""), ("empty", "FAILED", ""),
        ("content_filter", "TRUNCATED", WHOLE), ("cut:after=5", "TRUNCATED", PART),
    ],
)  # fmt: skip
async def test_an_answer_ends_as_its_generation_does(desk: Desk, mode: str, state: str, text: str) -> None:
    talk = await conversation(desk, mode)
    job_id = await send(desk, talk)
    await desk.run(job_id)
    (await desk.outcome(job_id)).check()
    [answer] = await answers(desk, talk)
    assert (answer.state, answer.text) == (state, text)


@pytest.mark.parametrize("temperature", [None, 0.3])
async def test_an_answer_is_asked_for_as_freely_as_its_assistant_would(desk: Desk, temperature: float | None) -> None:
    job_id = await send(desk, await conversation(desk))
    async with desk.units(desk.tenant_id) as uow:
        generation = await uow.generation.of_job(job_id)
        assert generation is not None
        generation.temperature = temperature
    await desk.run(job_id)
    assert desk.fake.exchanges[-1].body.get("temperature") == temperature


async def test_a_cancel_keeps_the_text_so_far(desk: Desk) -> None:
    talk = await conversation(desk, "ok:tokens=500,delay_ms=10")
    job_id = await send(desk, talk)
    running = asyncio.create_task(desk.run(job_id))
    exchange = await desk.fake.exchange(1)
    async with asyncio.timeout(5):
        while exchange.tokens_sent < 5:  # noqa: ASYNC110 - the fake only counts
            await asyncio.sleep(0.005)
    [answer] = await answers(desk, talk)
    assert answer.state == "STREAMING"
    await desk.cancel(job_id)
    await running
    (await desk.outcome(job_id)).check()
    [answer] = await answers(desk, talk)
    assert answer.state == "CANCELLED" and len(answer.text) >= len(PART)
    assert expected_text(500).startswith(answer.text)


async def test_a_cancel_before_any_worker_ends_the_answer_at_once(desk: Desk) -> None:
    talk = await conversation(desk)
    job_id = await send(desk, talk)
    await desk.cancel(job_id)
    [answer] = await answers(desk, talk)
    assert (answer.state, answer.text) == ("CANCELLED", "")
    books = await desk.books()
    assert (books.held, books.spent, books.open_holds) == (0, 0, 0)


async def test_a_worker_that_dies_leaves_the_answer_to_the_next(desk: Desk, relay: Relay, doorbells: Doorbells) -> None:
    talk = await conversation(desk)
    job_id = await send(desk, talk)
    await desk.die(job_id, PART)
    assert await relay.sweep() >= 1
    [answer] = await answers(desk, talk)
    assert (answer.state, answer.text) == ("STREAMING", "")
    await desk.run(job_id)
    one = await desk.outcome(job_id)
    assert one.outcomes == ["CRASHED", "COMPLETED"] and one.shown == WHOLE
    [answer] = await answers(desk, talk)
    assert (answer.state, answer.text) == ("COMPLETE", WHOLE)
    assert [billed for _, billed, _ in one.usage] == [False, True]


async def test_an_answer_whose_workers_die_again_and_again_fails(desk: Desk, relay: Relay) -> None:
    talk = await conversation(desk)
    job_id = await send(desk, talk)
    for _ in range(CRASHES_MAX):
        await desk.die(job_id)
        await relay.sweep()
    [answer] = await answers(desk, talk)
    one = await desk.outcome(job_id)
    assert (answer.state, one.generation.error_code) == ("FAILED", "WORKER_CRASHED")
    assert (one.events[-1].type, one.events[-1].data["answer"]) == (EventType.FAILED, str(answer.id))
    assert one.books.open_holds == 0


async def test_every_actor_may_run_twice(desk: Desk) -> None:
    talk = await conversation(desk)
    job_id = await send(desk, talk)
    await asyncio.gather(desk.run(job_id), desk.run(job_id))
    await desk.run(job_id)
    assert (await desk.outcome(job_id)).outcomes == ["COMPLETED"]
    assert [one.text for one in await answers(desk, talk)] == [WHOLE]


# Citations.


async def test_citations_are_told_with_the_text_and_kept_with_the_answer(desk: Desk, demo: Runtime) -> None:
    talk, one = await conversation(desk, "demo-writer"), await passage(desk)
    job_id = await send(desk, talk, "Where does the oil of the lamps come from?", [one])
    await desk.run(job_id, demo)
    outcome = await desk.outcome(job_id)
    outcome.check()
    told = [event.data for event in outcome.events if event.type is EventType.CITATION]
    [answer] = await answers(desk, talk)
    found = cited(answer.text, [one], "Where does the oil of the lamps come from?")
    assert [event["quote"] for event in told] == [each.quote for each in found] == await quotes(desk, talk)
    assert told[0]["quote"] == "Their oil comes from the south."
    before = ""
    for event in outcome.events:
        before += event.data.get("text", "") if event.type is EventType.DELTA else ""
        if event.type is EventType.CITATION:
            assert before[event.data["start"] : event.data["end"]] == "[1]"


async def test_an_answer_that_is_begun_again_keeps_the_evidence_and_no_citation_twice(
    desk: Desk, demo: Runtime, relay: Relay
) -> None:
    talk, one = await conversation(desk, "demo-writer"), await passage(desk)
    job_id = await send(desk, talk, "When are the lamps lit?", [one])
    await desk.die(job_id, "They are lit at dusk [1]. And")
    await relay.sweep()
    assert await quotes(desk, talk) == []
    await desk.run(job_id, demo)
    assert await quotes(desk, talk) == ["The lamps are lit at dusk."]


async def test_the_text_that_a_cancelled_crash_leaves_is_cited(desk: Desk, relay: Relay) -> None:
    talk, one = await conversation(desk), await passage(desk)
    job_id = await send(desk, talk, "When are the lamps lit?", [one])
    await desk.die(job_id, "They are lit at dusk [1]. And [2] then [1")
    await desk.cancel(job_id, tell=False)
    await relay.sweep()
    [answer] = await answers(desk, talk)
    assert (answer.state, answer.text) == ("CANCELLED", "They are lit at dusk [1]. And [2] then [1")
    assert await quotes(desk, talk) == ["The lamps are lit at dusk."]


async def test_a_retry_answers_from_the_same_evidence_beside_the_failed_answer(desk: Desk, demo: Runtime) -> None:
    talk, one = await conversation(desk, "status:status=401"), await passage(desk)
    job_id = await send(desk, talk, "When are the lamps lit?", [one])
    await desk.run(job_id)
    async with desk.units(desk.tenant_id) as uow:
        started = await service.retry(uow, desk.actor, job_id, "again", concurrency_max=100)
    assert started.job_id is not None
    old, new = [(await desk.outcome(each)).generation for each in (job_id, started.job_id)]
    assert (new.prompt, new.evidence, new.owner_id) == (old.prompt, old.evidence, old.owner_id)
    failed, waiting = await answers(desk, talk)
    assert (failed.state, waiting.state, failed.parent_id) == ("FAILED", "PENDING", waiting.parent_id)
    [row] = await desk._rows("select active_leaf_id from app.conversations where id = :c", c=talk)
    assert row.active_leaf_id == waiting.id


# Titles and summaries.


async def chores(desk: Desk) -> list[tuple[JobId, str]]:
    rows = await desk._rows(
        "select id, kind from app.jobs where tenant_id = :t and kind like 'conversation.%' and state = 'QUEUED' order by id"
    )
    return [(JobId(row.id), row.kind) for row in rows]


async def full(desk: Desk, demo: Runtime) -> tuple[ConversationId, JobId]:
    """A conversation whose messages nearly fill their room, and the summary that waits."""
    talk = await conversation(desk, "demo-writer", ContextPolicy(max_tokens=500))
    while not (waiting := await chores(desk)):
        await desk.run(await send(desk, talk, "What of the lamps? " + "word " * 40), demo)
    return talk, waiting[0][0]


async def of(desk: Desk, talk: ConversationId) -> Any:
    [row] = await desk._rows("select * from app.conversations where id = :c", c=talk)
    return row


async def test_a_summary_is_written_when_the_window_fills_and_paid_like_an_answer(desk: Desk, demo: Runtime) -> None:
    talk, job_id = await full(desk, demo)
    assert await chores(desk) == [(job_id, "conversation.summary")]
    before = (await desk.books()).spent
    await desk.run(job_id, demo)
    one = await desk.outcome(job_id)
    one.check()
    assert (one.generation.purpose, one.generation.state) == ("SUMMARY", "COMPLETED")
    assert one.books.spent > before
    [row] = await desk._rows("select summary, summary_upto from app.conversations where id = :c", c=talk)
    assert row.summary == one.shown.strip() != "" and row.summary_upto == one.generation.message_id
    assert await chores(desk) == []


async def test_a_summary_that_is_stopped_changes_nothing_and_is_asked_for_again(desk: Desk, demo: Runtime) -> None:
    talk, job_id = await full(desk, demo)
    before = len(await answers(desk, talk))
    await desk.cancel(job_id)
    assert (await of(desk, talk)).summary == ""
    while not await chores(desk):
        await desk.run(await send(desk, talk, "And now?"), demo)
    assert len(await answers(desk, talk)) == 2 * before


@dataclass
class Writer(DemoProvider):
    """Writes a text and nothing else."""

    text: str
    finish: FinishReason = FinishReason.STOP

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        yield TextChunk(self.text)
        yield UsageReport(100, 10)
        yield Finished(self.finish)


def writing(demo: Runtime, text: str, finish: FinishReason = FinishReason.STOP) -> Runtime:
    return replace(demo, provider_for=lambda _: Writer(text, finish))


async def test_a_summary_that_is_cut_is_kept_and_paid(desk: Desk, demo: Runtime) -> None:
    talk, job_id = await full(desk, demo)
    await desk.run(job_id, writing(demo, "They met. They sp", FinishReason.LENGTH))
    one = await desk.outcome(job_id)
    assert (one.generation.state, [(billed, cost > 0) for _, billed, cost in one.usage]) == (
        "TRUNCATED", [(True, True)])  # fmt: skip
    assert (await of(desk, talk)).summary == "They met."


async def test_a_summary_catches_up_in_steps(desk: Desk, demo: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.conversations.chores.SUMMARIZED_TOKENS_MAX", 70)
    talk, job_id = await full(desk, demo)
    upto: list[UUID] = []
    for _ in range(3):
        prompt = (await desk.outcome(job_id)).generation.prompt
        assert prompt[1]["content"].count("Author: ") <= 1
        await desk.run(job_id, demo)
        upto.append((await of(desk, talk)).summary_upto)
        while not (waiting := await chores(desk)):
            await desk.run(await send(desk, talk, "What of the lamps? " + "word " * 40), demo)
        job_id = waiting[0][0]
    assert upto == sorted(set(upto))


async def test_a_title_that_comes_to_nothing_is_asked_for_ever_more_seldom_and_paid_by_nobody(
    desk: Desk, demo: Runtime
) -> None:
    talk = await conversation(desk, "demo-writer", title="")
    asked = []
    for n in range(1, 10):
        await desk.run(await send(desk, talk), demo)
        spent = (await desk.books()).spent
        for job_id, _ in await chores(desk):
            asked.append(n)
            await desk.run(job_id, writing(demo, " "))
        assert (await desk.books()).spent == spent
    assert asked == [1, 2, 4, 8]
    assert (await of(desk, talk)).title == ""


async def test_a_title_of_nothing_but_marks_is_not_kept_and_not_paid(desk: Desk, demo: Runtime) -> None:
    talk = await conversation(desk, "demo-writer", title="")
    await desk.run(await send(desk, talk), demo)
    [(job_id, _)] = await chores(desk)
    await desk.run(job_id, writing(demo, "「……」\n..."))
    one = await desk.outcome(job_id)
    assert one.generation.state == "COMPLETED" and [billed for _, billed, _ in one.usage] == [False]
    assert (await of(desk, talk)).title == ""


async def test_a_title_does_not_wait_for_a_summary_that_cannot_be_begun(
    desk: Desk, demo: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise QuotaExhausted(2, 1)

    monkeypatch.setattr("workers.conversations.begin_summary", refuse)
    await desk.run(await send(desk, await conversation(desk, "demo-writer", title="")), demo)
    assert [kind for _, kind in await chores(desk)] == ["conversation.title"]


async def test_nothing_follows_an_answer_that_was_stopped(desk: Desk, relay: Relay) -> None:
    job_id = await send(desk, await conversation(desk, title=""))
    await desk.die(job_id, "They are lit")
    await desk.cancel(job_id, tell=False)
    await relay.sweep()
    async with desk.units(desk.tenant_id) as uow:
        generation = await uow.generation.of_job(job_id)
    assert generation is not None and generation.state == "CANCELLED"
    await follow_up(desk.units, generation)
    assert await chores(desk) == []
