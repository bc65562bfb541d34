"""What is said before a chapter is written, against what its author pays for it in the end."""

from __future__ import annotations

import secrets
from random import Random

from domain.generation import service
from domain.generation.estimate import SAMPLES_MIN, SPREAD_MAX
from tests.fakes.behaviour import Behaviour
from tests.workers.desk import Desk, offer

MODEL = "measured"
RUNS = 200
TARGET_WORDS = 300


async def estimate(desk: Desk) -> service.OfferEstimate:
    command = service.StartChapter(desk.chapter, "Go on.", "", TARGET_WORDS, model=MODEL)
    async with desk.units(desk.tenant_id) as uow:
        [one] = await service.estimate_chapter(uow, desk.actor, command)
    return one


async def test_of_two_hundred_chapters_nine_in_ten_cost_what_was_estimated(desk: Desk) -> None:
    """How long each becomes is drawn from a seed of its own, which the estimator never sees."""
    await offer(desk, "sole", "up", MODEL)
    dice = Random(secrets.randbits(32))
    usual, spread = dice.uniform(250, 420), dice.uniform(0.05, 0.16)
    inside = 0
    for number in range(SAMPLES_MIN + RUNS):
        said = (await estimate(desk)).estimate
        assert said.high <= SPREAD_MAX * said.low + 1
        desk.fake.behaviour = Behaviour(tokens=max(1, round(usual * dice.gauss(1, spread))))
        before = (await desk.books()).spent
        await desk.run(await desk.start(MODEL, instructions="Go on.", target_words=TARGET_WORDS))
        paid = (await desk.books()).spent - before
        assert paid > 0
        inside += number >= SAMPLES_MIN and said.low <= paid <= said.high
    print(f"{inside} of {RUNS} inside; usual length {usual:.0f} tokens, spread {spread:.0%}")
    assert inside >= 0.9 * RUNS
