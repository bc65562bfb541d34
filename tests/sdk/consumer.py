"""What a customer writes against the SDK. Checked by mypy, never run: the one line marked as wrong must be refused."""

from __future__ import annotations

from fabula_client import ApiToken, ChapterGenerateInput, Fabula, ProjectFilter, QueuePauseInput, check
from fabula_client.events import GenerationCompleted, TextDelta


async def titles(url: str) -> list[str]:
    async with Fabula(url, credentials=ApiToken("token")) as client:
        page = (await client.projects(first=5, filter_=ProjectFilter(title_contains="lamp"))).projects
        return [edge.node.title for edge in page.edges]


async def told(client: Fabula, chapter_id: str) -> str:
    check((await client.queue_pause(QueuePauseInput(name="default"))).queue_pause)
    started = (
        await client.chapter_generate(ChapterGenerateInput(chapter_id=chapter_id, instructions="", idempotency_key="k"))
    ).chapter_generate
    if started.typename__ != "GenerationStarted":
        return started.message
    async for state, event in client.watch_generation(started.generation.id):
        if isinstance(event, TextDelta):
            print(event.text, state.progress or 0)
        elif isinstance(event, GenerationCompleted) and event.version:
            return event.version.text
    return ""


async def miscounted(client: Fabula) -> None:
    await client.projects(first="five")  # wrong: a number is wanted
