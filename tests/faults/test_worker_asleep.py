"""A worker that stands still beyond its lease, as under a full swap or a paused machine, and then goes on."""

from __future__ import annotations

import asyncio
import contextlib

from domain.ids import JobId, new_id
from persistence.streams import CancelFlags, connect
from tests.fakes.behaviour import expected_text
from tests.faults.author import Author
from tests.faults.books import accounts, imbalances, settled
from tests.faults.fleet import fleet
from tests.faults.product import Product
from tests.faults.provider import Provider
from workers.runtime import CancelWatch


async def test_a_worker_that_wakes_up_too_late_ends_nothing_that_another_is_writing(
    product: Product, provider: Provider, author: Author
) -> None:
    """Meanwhile the provider has sent it all of the text: it wakes up, finds its work done, and must not say so.

    Valkey, whose log it could read that from, does not answer: PostgreSQL alone refuses it.
    """
    async with product.second_worker(), fleet(provider, [author], size=8, tokens=150, delay_ms=30) as flying:
        await flying.under_way(0.2)
        with contextlib.ExitStack() as until_it_has_tried:
            with product.asleep("worker"):
                await asyncio.gather(*(watcher.reached_attempt(2) for watcher in flying.watchers))
                until_it_has_tried.enter_context(product.asleep("valkey"))
            await asyncio.sleep(1.5)
    assert await flying.deviations() == []
    outcomes = [
        (run.first.resets, [attempt["outcome"] for attempt in (await author.generation(run.started))["attempts"]])
        for run in flying.runs
    ]
    taken, left = (1, ["CRASHED", "COMPLETED"]), (0, ["COMPLETED"])
    assert 0 < outcomes.count(taken) < len(outcomes)
    assert [one for one in outcomes if one not in (taken, left)] == []


async def test_a_worker_that_wakes_up_after_the_end_writes_nothing_behind_it(product: Product, author: Author) -> None:
    text = expected_text(603)
    started = await author.start(await author.new_chapter(), model="ok:tokens=603,delay_ms=20")
    watcher = author.watcher(started, expected=text)
    watching = asyncio.create_task(watcher.run())
    await watcher.reached(300)
    with product.asleep("worker"):
        await author.cancel(started)
        await author.job_state(started, "CANCELLED")
    async with asyncio.timeout(10):
        await watching
    await asyncio.sleep(1.5)  # time enough for what it had in hand
    late = author.watcher(started, expected=text)
    async with asyncio.timeout(10):
        await late.run()
    kept = (await author.generation(started))["version"]["text"]
    assert (watcher.text, late.text) == (kept, kept)
    assert (watcher.anomalies, late.anomalies) == ([], [])
    assert [event.type for event in late.seen[-2:]] == ["StreamSnapshot", "GenerationCancelled"]
    assert (await author.events(started))[-2:] == ["StreamSnapshot", "GenerationCancelled"]
    assert await accounts(author, [started]) == [settled(1, "CANCELLED")]
    assert await imbalances(author) == []


async def test_a_second_run_of_a_job_hears_its_cancel_when_the_first_one_has_left(product: Product) -> None:
    client, job_id = connect(product.ready["redisUrl"]), JobId(new_id())
    flags = CancelFlags(client)
    watch = CancelWatch(flags)
    first, second = watch.add(job_id), watch.add(job_id)
    watch.remove(job_id, first)
    looking = asyncio.create_task(watch.run())
    await flags.raise_for(job_id)
    async with asyncio.timeout(2):
        await second.wait()
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await client.aclose()
