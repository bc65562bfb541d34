"""Many generations at once, each with watchers and a text that is known beforehand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.fakes.behaviour import expected_text
from tests.faults.author import Author, Started
from tests.faults.books import accounts, imbalances, settled
from tests.faults.provider import Provider
from tests.faults.watcher import PATIENCE_S, Watcher

CHAPTERS = 3
"""Generations share chapters, so that their ends meet in one row."""


@dataclass
class Run:
    """A generation, the text it must come to, and who watches it: the first from its beginning."""

    author: Author
    started: Started
    text: str
    watchers: list[Watcher] = field(default_factory=list)

    @property
    def first(self) -> Watcher:
        return self.watchers[0]

    def watch(self, tasks: asyncio.TaskGroup) -> None:
        self.watchers.append(self.author.watcher(self.started, expected=self.text))
        tasks.create_task(self.watchers[-1].run())

    async def deviations(self) -> list[str]:
        """Everything in which it is not as it must be after it ended well."""
        kept = await self.author.generation(self.started)
        version = kept["version"] or {}
        checks: list[tuple[str, object, object]] = [
            ("state", kept["state"], "COMPLETED"),
            ("version", version.get("text"), self.text),
            ("version's state", version.get("state"), "CANDIDATE"),
        ]
        for number, watcher in enumerate(self.watchers, start=1):
            end = watcher.end or {}
            checks += [
                (f"end for watcher {number}", end.get("__typename"), "GenerationCompleted"),
                (f"version for watcher {number}", (end.get("version") or {}).get("text"), self.text),
                (f"text of watcher {number}", watcher.text, self.text),
                (f"anomalies of watcher {number}", watcher.anomalies, []),
            ]
        return [f"{self.started.id} {name}: {found!r}, not {due!r}" for name, found, due in checks if found != due]


class Fleet:
    """What was started, and what watches it."""

    def __init__(self, provider: Provider, tasks: asyncio.TaskGroup) -> None:
        self._provider = provider
        self._tasks = tasks
        self.runs: list[Run] = []

    @property
    def watchers(self) -> list[Watcher]:
        """Those that have watched from the beginning."""
        return [run.first for run in self.runs]

    async def start(self, author: Author, chapter: str, number: int, *, tokens: int, delay_ms: int) -> None:
        """No two texts are equally long, and every fourth is Chinese."""
        script, count = ("zh" if number % 4 == 3 else "en"), tokens + number
        model = f"ok:tokens={count},delay_ms={delay_ms},script={script}"
        started = await author.start(chapter, model=model, instructions=f"Run {number}.")
        self.runs.append(Run(author, started, expected_text(count, script)))
        self.runs[-1].watch(self._tasks)

    @asynccontextmanager
    async def in_step(self, size: int) -> AsyncIterator[None]:
        """What happens in this block makes the product ask for `size` texts; none is begun before all are asked for."""
        asked = len(self._provider.exchanges)
        async with self._provider.closed():
            yield
            await asyncio.wait_for(self._provider.exchange(asked + size), PATIENCE_S)

    async def under_way(self, share: float) -> None:
        """Until every watcher has that share of its text."""
        await asyncio.gather(*(run.first.reached(int(len(run.text) * share)) for run in self.runs))

    def join_late(self) -> None:
        """Watch every second run once more, from its beginning, as from another device."""
        for run in self.runs[::2]:
            run.watch(self._tasks)

    async def ended(self) -> None:
        """Until every watcher has seen its stream's end."""
        await asyncio.gather(*(watcher.ended() for run in self.runs for watcher in run.watchers))

    async def deviations(self) -> list[str]:
        """Everything in which texts, streams and books are not as they must be after all ended well."""
        found = [line for run in self.runs for line in await run.deviations()]
        for author in {id(run.author): run.author for run in self.runs}.values():
            started = [run.started for run in self.runs if run.author is author]
            if (books := await accounts(author, started)) != [settled(len(started))]:
                found.append(f"books: {books}")
            found += await imbalances(author)
        return found


@asynccontextmanager
async def fleet(
    provider: Provider,
    authors: Sequence[Author],
    *,
    size: int = 20,
    tokens: int = 80,
    delay_ms: int = 40,
    together: bool = True,
) -> AsyncIterator[Fleet]:
    """Start and watch `size` generations of the authors in turn; at the block's end, wait until all have ended.

    `together` keeps the provider silent until it has been asked for every text.
    """
    chapters = {id(author): [await author.new_chapter() for _ in range(CHAPTERS)] for author in authors}
    async with asyncio.TaskGroup() as tasks:
        made = Fleet(provider, tasks)
        async with made.in_step(size) if together else contextlib.nullcontext():
            for number, author in zip(range(size), itertools.cycle(authors), strict=False):
                chapter = chapters[id(author)][number % CHAPTERS]
                await made.start(author, chapter, number, tokens=tokens, delay_ms=delay_ms)
        yield made
        await made.ended()
