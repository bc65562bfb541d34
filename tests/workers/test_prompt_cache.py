"""Chapters of one novel share the beginning of their prompts, which providers keep and charge less for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest

from domain.channels.entities import Channel
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.wire import sse
from tests.workers.desk import Desk, offer

MODEL = "keeper"
CHAPTERS = 6


class CachingOpenAI(FakeOpenAI):
    """Keeps the system messages that it has read, as a provider's prompt cache does."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[str] = set()

    def finish(self, reason: str, tokens: int, *, usage: str = "full") -> list[bytes]:
        finish, counted, done = super().finish(reason, tokens, usage=usage)
        system, *rest = [message["content"] for message in self.exchanges[-1].body["messages"]]
        prompt = len(system) + sum(map(len, rest))
        cached = len(system) if system in self._known else 0
        self._known.add(system)
        said = orjson.loads(counted.removeprefix(b"data: "))
        said["usage"] |= {"prompt_tokens": prompt, "prompt_tokens_details": {"cached_tokens": cached}}
        return [finish, sse(said), done]


@pytest.fixture
async def providers() -> AsyncIterator[list[FakeOpenAI]]:
    async with CachingOpenAI() as one, CachingOpenAI() as other:
        yield [one, other]


async def shares(desk: Desk) -> list[float]:
    """Of each chapter's prompt, what came from the cache."""
    written = [await desk.write(MODEL, instructions=f"Chapter {number}.") for number in range(CHAPTERS)]
    return [one.attempts[-1].cached_input_tokens / one.attempts[-1].input_tokens for one in written]


async def two_channels(desk: Desk, providers: list[FakeOpenAI]) -> list[Channel]:
    return [await offer(desk, f"c{n}", "up", MODEL, base_url=one.base_url) for n, one in enumerate(providers)]


async def test_chapters_that_follow_each_other_find_their_prompt_cached(
    desk: Desk, providers: list[FakeOpenAI]
) -> None:
    await two_channels(desk, providers)
    first, *others = await shares(desk)
    assert first == 0
    assert min(others) > 0.3
    assert {len(server.exchanges) for server in providers} == {0, CHAPTERS}


async def test_round_robin_without_stickiness_reads_the_prompt_anew_on_each_channel(
    desk: Desk, providers: list[FakeOpenAI]
) -> None:
    await two_channels(desk, providers)
    async with desk.units(desk.tenant_id) as uow:
        await uow.channels.set_policy({"strategy": "ROUND_ROBIN", "sticky": False})
    assert [share == 0 for share in await shares(desk)] == [True, True, False, False, False, False]
