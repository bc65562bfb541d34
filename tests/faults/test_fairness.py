"""One tenant's crowd and another tenant's single chapter."""

from __future__ import annotations

import asyncio
import time

from tests.faults.author import Author, Started
from tests.faults.books import Account, accounts, imbalances
from tests.faults.figures import measured, measured_seconds
from tests.faults.product import Product
from tests.pace import slowness

CROWD = 500
AT_ONCE = 60
CHAPTERS = 20
CAP = 16
"""How many of a tenant's jobs may be in hand."""
WAIT_S = 1.0


async def test_five_hundred_chapters_of_one_tenant_do_not_keep_another_waiting(
    product: Product, author: Author, neighbour: Author
) -> None:
    chapters, own = [await author.new_chapter() for _ in range(CHAPTERS)], await neighbour.new_chapter()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Started:
        async with gate:
            return await author.start(chapters[number % CHAPTERS], model="ok:tokens=300,delay_ms=1000")

    asked = time.monotonic()
    crowd = await asyncio.gather(*(one(number) for number in range(CROWD)))
    measured(f"{CROWD} generations of one tenant: accepted within", f"{time.monotonic() - asked:.1f} s")
    waits = [await first_words(neighbour, own) for _ in range(5)]
    measured_seconds("another tenant's first TextDelta meanwhile", waits)
    running = await in_hand(author)
    await call_off(author, crowd)
    assert max(waits) < WAIT_S * slowness()
    assert running == CAP
    ended = await accounts(author, crowd)
    assert sum(account.jobs for account in ended) == CROWD
    assert {account.state for account in ended} == {"CANCELLED"}
    assert {closed_once(account) for account in ended} == {True}
    assert await imbalances(author) == []


async def first_words(author: Author, chapter: str) -> float:
    """Seconds from the request to the first text."""
    asked = time.monotonic()
    started = await author.start(chapter, model="ok:tokens=5,delay_ms=10")
    watcher = author.watcher(started)
    async with asyncio.timeout(30):
        await watcher.run()
    return next(event.at for event in watcher.seen if event.type == "TextDelta") - asked


async def in_hand(author: Author) -> int:
    async with author.database() as database:
        return int(await database.fetchval("select count(*) from app.jobs where lease_token is not null"))


def closed_once(account: Account) -> bool:
    """Paid for what was written, or given back whole; and nothing is left of it."""
    return account.settlements + account.releases == 1 and account.still_held == account.doorbells == 0


async def call_off(author: Author, crowd: list[Started]) -> None:
    """Cancel all, the last first, and wait until each has ended."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(started: Started) -> None:
        async with gate:
            await author.cancel_job(started)

    await asyncio.gather(*(one(started) for started in reversed(crowd)))
    for started in crowd:
        await author.job_state(started, "CANCELLED")
