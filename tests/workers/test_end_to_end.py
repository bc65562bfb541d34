"""The parts together, as `serve`, `worker` and `relay` run them: HTTP, outbox, doorbell, Dramatiq, stream, socket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import dramatiq
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.relay import build_parts
from app.settings import Settings
from app.work import POLL_MS, WorkerProcess
from schema.ids import decode_id
from tests.documents import EVENTS
from tests.graphql.clients import Person, Site, eventually
from tests.graphql.generations import start
from tests.graphql.studio import state_of
from tests.graphql.test_knowledge import new_base, read, take_in
from tests.pace import slowness
from workers.doorbell import declare_actors, redis_broker

CAP = 4


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"worker_threads": 8, "tenant_concurrency": CAP})


@pytest.fixture(scope="module")
async def relay(settings: Settings) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    running = asyncio.create_task(build_parts(settings)[0].run(stopping))
    yield
    stopping.set()
    await running


@pytest.fixture(scope="module")
async def dramatiq_worker(settings: Settings, relay: None) -> AsyncIterator[None]:
    """What `app.work.main` builds, without its signals."""
    broker = redis_broker(settings.broker_url.get_secret_value())
    process = WorkerProcess(settings)
    declare_actors(broker, process.runs)
    worker = dramatiq.Worker(broker, worker_threads=settings.worker_threads, worker_timeout=POLL_MS)
    await asyncio.to_thread(worker.start)
    await asyncio.to_thread(process.start)
    yield
    await asyncio.to_thread(process.stop)
    await asyncio.to_thread(worker.stop, 2_000)
    await asyncio.to_thread(broker.close)


pytestmark = pytest.mark.usefixtures("dramatiq_worker")


async def watched(person: Person, id_: str) -> list[dict[str, Any]]:
    async with person.socket() as ws:
        await ws.subscribe("1", EVENTS, id=id_)
        return [event async for event in ws.events("1", timeout_s=20)]


async def test_a_document_is_taken_in_by_a_worker_of_its_own_queue(site: Site) -> None:
    person = await site.tenant()
    document = (await take_in(person, await new_base(person)))["document"]
    assert document["job"]["kind"] == "knowledge.ingest"

    async def ready() -> bool:
        return bool((await read(person, document["id"]))["state"] == "READY")

    await eventually(ready, "the document is ready", timeout_s=20)


async def test_a_chapter_asked_for_by_mutation_arrives_word_by_word_and_stays(site: Site) -> None:
    person = await site.tenant()
    id_ = (await start(person, "[demo:chunks=30 delay_ms=5]")).id
    events = await watched(person, id_)
    assert [event["__typename"] for event in events][-1] == "GenerationCompleted"
    text = "".join(event["text"] for event in events if event["__typename"] == "TextDelta")
    assert text == events[-1]["version"]["text"] == (await state_of(person, id_))["text"]
    assert sum(event["__typename"] == "TextDelta" for event in events) > 2


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    """What this process traces from now on."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


async def test_one_trace_leads_from_the_mutation_through_the_worker_to_the_provider(
    site: Site, spans: InMemorySpanExporter
) -> None:
    person = await site.tenant()
    id_ = (await start(person)).id
    await watched(person, id_)

    async def attempts() -> list[ReadableSpan]:
        return [one for one in spans.get_finished_spans() if one.name == "generation.attempt" and _of(one, person)]

    [attempt] = await eventually(attempts, "the attempt's span ends")
    traced = [one for one in spans.get_finished_spans() if one.context.trace_id == attempt.context.trace_id]
    by_name = {one.name: one for one in traced}
    mutation, call = by_name["graphql.mutation"], by_name["provider.call"]
    assert attempt.parent
    assert call.parent
    assert (attempt.parent.span_id, call.parent.span_id) == (mutation.context.span_id, attempt.context.span_id)
    job = (await person("query ($id: ID!) { node(id: $id) { ... on Generation { job { id } } } }", id=id_))["job"]["id"]
    assert attempt.attributes["fabula.job"] == str(decode_id("Job", job))
    assert _of(mutation, person)


def _of(span: ReadableSpan, person: Person) -> bool:
    return (span.attributes or {}).get("fabula.tenant") == str(person.tenant_id)


async def test_a_cancel_by_mutation_reaches_the_worker(site: Site) -> None:
    person = await site.tenant()
    id_ = (await start(person, "[demo:chunks=2000 delay_ms=20]")).id
    async with person.socket() as ws:
        await ws.subscribe("1", EVENTS, id=id_)
        seen: list[dict[str, Any]] = []
        asked = 0.0
        async for event in ws.events("1"):
            seen.append(event)
            if event["__typename"] == "TextDelta" and not asked:
                asked = time.monotonic()
                await person.mutate("generationCancel", id=id_)
    assert seen[-1]["__typename"] == "GenerationCancelled"
    assert time.monotonic() - asked < 2.0 * slowness()
    assert seen[-1]["version"]["text"] == "".join(one.get("text", "") for one in seen[:-1])


async def test_a_job_whose_bell_was_lost_is_rung_by_the_relay(site: Site, redis: Any) -> None:
    person = await site.tenant()

    class Deaf:
        async def ring(self, *_: Any) -> None:
            raise ConnectionError("the broker is away")

    services = site.api.services
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services.doorbell.__class__, "ring", Deaf.ring)
        id_ = (await start(person)).id
    async with asyncio.timeout(15):
        assert (await watched(person, id_))[-1]["__typename"] == "GenerationCompleted"


async def test_many_jobs_of_one_tenant_do_not_keep_another_waiting(site: Site) -> None:
    greedy, modest = await site.tenant(), await site.tenant()
    many = await asyncio.gather(*(start(greedy, "[demo:chunks=50 delay_ms=20]") for _ in range(20)))
    began = time.monotonic()
    id_ = (await start(modest)).id
    assert (await watched(modest, id_))[-1]["__typename"] == "GenerationCompleted"
    assert time.monotonic() - began < 2.0 * slowness()
    depth = (await greedy("{ queues { queued running } }"))[0]
    assert depth["running"] <= CAP
    assert depth["queued"] + depth["running"] >= 10
    with contextlib.suppress(AssertionError):
        await asyncio.gather(*(greedy.mutate("generationCancel", id=one.id) for one in many))

    async def quiet() -> bool:
        queue, _ = await greedy("{ queues { queued running } }")
        return bool(queue["queued"] + queue["running"] == 0)

    await eventually(quiet, "all of them have ended", 20)


async def test_the_worker_says_that_it_lives(site: Site) -> None:
    operator = await site.tenant(platform_admin=True)

    async def idle() -> bool:
        workers = await operator("{ workers { threads busy } }")
        return bool(workers == [{"threads": 8, "busy": 0}])

    await eventually(idle, "one worker of eight threads, with nothing to do")
