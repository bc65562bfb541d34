"""How long an author waits for the first words."""

from __future__ import annotations

import asyncio
import os
import time

from tests.faults.author import Author
from tests.faults.figures import measured, measured_seconds
from tests.faults.product import Product
from tests.pace import slowness

RUNS = 60


async def test_the_first_words_come_within_150_ms(product: Product, author: Author) -> None:
    """From sending the mutation to the first TextDelta at the subscriber, with the built-in demo channel."""
    chapter, channel = await author.new_chapter(), await author.channel("demo")
    waits = []
    for _ in range(RUNS):
        asked = time.monotonic()
        started = await author.start(chapter, channelId=channel, instructions="Rain. [demo:chunks=4 delay_ms=5]")
        watcher = author.watcher(started)
        async with asyncio.timeout(10):
            await watcher.run()
        waits.append(next(event.at for event in watcher.seen if event.type == "TextDelta") - asked)
    measured_seconds("start of a generation to its first TextDelta (demo channel)", waits)
    measured("  with a load of", f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    assert sorted(waits)[RUNS // 2] < 0.150 * slowness()
