"""A hundred equal requests at once, over real HTTP."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter

from tests.faults.author import Author, Started
from tests.faults.books import accounts, imbalances, settled
from tests.faults.product import Product


async def generations(author: Author) -> int:
    async with author.database() as database:
        return int(await database.fetchval("select count(*) from app.generations"))


async def test_a_hundred_requests_with_one_key_start_one_generation(product: Product, author: Author) -> None:
    chapter, key, before = await author.new_chapter(), uuid.uuid4().hex, await generations(author)
    answers = await asyncio.gather(*(author.ask(chapter, idempotencyKey=key) for _ in range(100)))
    assert Counter(answer["__typename"] for answer in answers) == {"GenerationStarted": 100}
    assert Counter(answer["replayed"] for answer in answers) == {True: 99, False: 1}
    assert len({answer["generation"]["id"] for answer in answers}) == 1
    assert await generations(author) == before + 1
    await whole(author, answers[0])


async def test_of_two_requests_with_one_key_the_first_wins_and_the_other_conflicts(
    product: Product, author: Author
) -> None:
    chapter, key, before = await author.new_chapter(), uuid.uuid4().hex, await generations(author)
    bodies = ["One storm."] * 45 + ["Another storm."] * 10 + ["One storm."] * 45
    answers = await asyncio.gather(*(author.ask(chapter, idempotencyKey=key, instructions=body) for body in bodies))
    first = next(body for body, answer in zip(bodies, answers, strict=True) if not answer.get("replayed", True))
    outcome = Counter(
        (body == first, answer["__typename"], answer.get("replayed"))
        for body, answer in zip(bodies, answers, strict=True)
    )
    share = bodies.count(first)
    assert outcome == {
        (True, "GenerationStarted", False): 1,
        (True, "GenerationStarted", True): share - 1,
        (False, "IdempotencyConflict", None): 100 - share,
    }
    assert await generations(author) == before + 1
    await whole(author, next(answer for answer in answers if "generation" in answer))


async def whole(author: Author, answer: dict[str, dict[str, dict[str, str]]]) -> None:
    """The one generation runs to its end and is paid for once."""
    started = Started(str(answer["generation"]["id"]), answer["generation"]["job"]["id"])
    async with asyncio.timeout(20):
        await author.watcher(started).run()
    assert await accounts(author, [started]) == [settled(1)]
    assert await imbalances(author) == []
