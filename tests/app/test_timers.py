"""Coarse timers: late by a tick at most, never early, and gone when nothing waits for them."""

from __future__ import annotations

import asyncio

from app.graphql.timers import TICK_S, CoarseTimers


async def test_a_timer_is_due_within_a_tick_and_never_early() -> None:
    loop, timers = asyncio.get_running_loop(), CoarseTimers()
    began = loop.time()
    called: list[asyncio.Future[float]] = [loop.create_future() for _ in range(3)]
    for delay_s, done in zip((0.0, TICK_S, 3.5 * TICK_S), called, strict=True):
        timers.call_later(delay_s, lambda done=done: done.set_result(loop.time() - began))  # type: ignore[misc]
    first, second, third = await asyncio.gather(*called)
    assert 0.0 <= first < 3 * TICK_S
    assert TICK_S <= second < 4 * TICK_S
    assert 3.5 * TICK_S <= third < 6 * TICK_S


async def test_a_cancelled_timer_is_never_due() -> None:
    timers, called = CoarseTimers(), asyncio.Event()
    timers.cancel(timers.call_later(0.0, called.set))
    others = asyncio.Event()
    timers.call_later(2 * TICK_S, others.set)
    await others.wait()
    assert not called.is_set()


async def test_it_ticks_again_after_it_has_had_nothing_to_do() -> None:
    timers = CoarseTimers()
    for _ in range(2):
        called = asyncio.Event()
        timers.call_later(0.0, called.set)
        async with asyncio.timeout(20 * TICK_S):
            await called.wait()
        await asyncio.sleep(2 * TICK_S)
