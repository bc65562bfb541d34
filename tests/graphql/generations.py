"""Generations as a client starts and watches them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from domain.ids import JobId
from schema.ids import decode_id
from tests.documents import EVENTS, GENERATE
from tests.graphql.clients import Person, Site


@dataclass(frozen=True)
class Started:
    id: str
    job_gid: str

    @property
    def job_id(self) -> JobId:
        return JobId(decode_id("Job", self.job_gid))


async def new_chapter(person: Person, **project: Any) -> str:
    """The id of an empty chapter of a new project."""
    made = await person.mutate("projectCreate", "project { id }", title="T", **project)
    made = await person.mutate("chapterCreate", "chapter { id }", projectId=made["project"]["id"], title="One")
    return str(made["chapter"]["id"])


async def start(person: Person, instructions: str = "[demo:chunks=30 delay_ms=0]") -> Started:
    """One that waits until somebody works at it."""
    chapter = await new_chapter(person)
    started = await person(GENERATE, chapterId=chapter, key=secrets.token_hex(8), instructions=instructions)
    return Started(started["generation"]["id"], started["generation"]["job"]["id"])


async def over_ws(person: Person, id_: str, after: str | None = None, query: str = EVENTS) -> list[dict[str, Any]]:
    async with person.socket() as ws:
        await ws.subscribe("1", query, id=id_, after=after)
        return [event async for event in ws.events("1")]


async def over_sse(person: Person, id_: str, after: str | None = None) -> list[dict[str, Any]]:
    async with person.site.sse(EVENTS, {"id": id_, "after": after}, authorization=person.authorization) as events:
        received = [event async for event in events]
    assert received[-1] == ("complete", None)
    assert {name for name, _ in received[:-1]} == {"next"}
    assert all("errors" not in answer for _, answer in received[:-1])
    return [answer["data"]["generationEvents"] for _, answer in received[:-1]]


def shown(events: list[dict[str, Any]], text: str = "") -> str:
    """What a page says after these events."""
    for event in events:
        match event["__typename"]:
            case "TextDelta":
                text += event["text"]
            case "StreamSnapshot":
                text = event["text"]
            case "StreamReset":
                text = ""
    return text


async def watched(site: Site, count: int) -> bool:
    """Whether so many streams are watched now."""
    return site.api.hub.watchers == count
