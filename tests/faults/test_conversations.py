"""Fifty conversations that are answered at once by one worker process and one API process."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.faults.author import Author
from tests.faults.books import imbalances
from tests.faults.figures import measured, measured_seconds
from tests.faults.product import Product
from tests.pace import slowness

PEOPLE = 5
TALKS_EACH = 10
"""Below the twenty connections that a user may have, and the sixteen jobs that a tenant may have at work."""
CHUNKS = 500
"""Of each answer, as far apart as the demo channel usually puts them."""
LAG_S = 0.2
PATIENCE_S = 60.0

BEGIN = 'mutation { conversationCreate(input: {title: "Fifty"}) { conversation { id } userErrors { code } } }'
SEND = """
mutation ($input: MessageSendInput!) {
  messageSend(input: $input) {
    __typename
    ... on MessageAccepted { generation { id } }
    ... on UserError { code sentence: message }
  }
}
"""
SAID = "query ($id: ID!) { conversation(id: $id) { activePath { id role text state } } }"
GENERATION_EVENTS = """
subscription ($id: ID!) {
  generationEvents(id: $id) {
    __typename seq at
    ... on TextDelta { text }
    ... on StreamSnapshot { text }
    ... on GenerationFailed { code }
  }
}
"""
CONVERSATION_EVENTS = """
subscription ($id: ID!) {
  conversationEvents(id: $id) {
    __typename seq at
    ... on MessageAdded { message { id } }
    ... on MessageEnded { message { id text } }
  }
}
"""
POLLED = (
    "query ($id: ID!) { node(id: $id) { ... on Generation { events(first: 1000) { events { __typename seq } } } } }"
)


class Talk:
    """One conversation in one connection: its own events, and those of the answer to its one question."""

    def __init__(self, author: Author, conversation: str, url: str) -> None:
        self._author = author
        self._conversation = conversation
        self._url = url
        self.events: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.lags: list[float] = []
        self.first_at = self.last_at = 0.0
        self.asked_at = self.waited_s = 0.0
        self.generation = ""

    @property
    def text(self) -> str:
        return "".join(event["text"] for event in self.events if event["__typename"] == "TextDelta")

    async def run(self, ready: asyncio.Barrier) -> None:
        """Ask once all are connected, all in the same moment, and listen until the answer's end is known in both streams."""
        protocol = Subprotocol("graphql-transport-ws")
        async with connect(self._url, subprotocols=[protocol], proxy=None) as ws:
            await ws.send(_message("connection_init", {"authorization": f"Bearer {self._author.token}"}))
            assert json.loads(await ws.recv())["type"] == "connection_ack"
            await ws.send(_subscribe("changes", CONVERSATION_EVENTS, self._conversation))
            await ready.wait()
            began = time.time()
            await self._ask()
            self.asked_at = time.time()
            self.waited_s = self.asked_at - began
            await ws.send(_subscribe("events", GENERATION_EVENTS, self.generation))
            async with asyncio.timeout(PATIENCE_S):
                while not self._over:
                    self._take(json.loads(await ws.recv()), time.time())

    async def _ask(self) -> None:
        words = f"What does the ferry carry? [demo:chunks={CHUNKS}]"
        asked = {"conversationId": self._conversation, "text": words, "idempotencyKey": uuid.uuid4().hex}
        answer = (await self._author.graphql(SEND, input=asked))["messageSend"]
        assert answer["__typename"] == "MessageAccepted", answer
        self.generation = answer["generation"]["id"]

    @property
    def _over(self) -> bool:
        return any(one["__typename"] == "MessageEnded" for one in self.changes) and self.first_at < self.last_at

    def _take(self, message: dict[str, Any], now: float) -> None:
        if message["type"] == "complete":
            assert message["id"] == "events", message
            self.last_at = now
            return
        assert message["type"] == "next" and "errors" not in message["payload"], message
        [event] = message["payload"]["data"].values()
        self.first_at = self.first_at or now
        # What was written before it was asked for cannot arrive sooner than after that.
        self.lags.append(now - max(datetime.fromisoformat(event["at"]).timestamp(), self.asked_at))
        (self.events if message["id"] == "events" else self.changes).append(event)

    async def deviations(self) -> list[str]:
        """Everything in which what was heard is not what is kept."""
        polled = (await self._author.graphql(POLLED, id=self.generation))["node"]["events"]["events"]
        said = (await self._author.graphql(SAID, id=self._conversation))["conversation"]["activePath"]
        kept = next((one for one in said if one["role"] == "ASSISTANT"), {"id": None, "text": None, "state": None})
        types = [event["__typename"] for event in self.events]
        ended = next(one["message"] for one in self.changes if one["__typename"] == "MessageEnded")
        checks: list[tuple[str, object, object]] = [
            ("events", _told(self.events), _told(polled)),
            ("end", types[-1], "GenerationCompleted"),
            ("resets", [one for one in types if one == "StreamReset"], []),
            (
                "snapshots",
                {one["text"] for one in self.events if one["__typename"] == "StreamSnapshot"} - {self.text},
                set(),
            ),
            ("text", self.text, kept["text"]),
            ("text of MessageEnded", ended["text"], kept["text"]),
            ("state", kept["state"], "COMPLETE"),
            ("message", [one["message"]["id"] for one in self.changes], [kept["id"]] * 2),
            ("changes", [one["__typename"] for one in self.changes], ["MessageAdded", "MessageEnded"]),
        ]
        for stream in (self.events, self.changes):
            pairs = itertools.pairwise(event["seq"] for event in stream)
            checks.append(("order", [pair for pair in pairs if pair[0] >= pair[1]], []))
        return [f"{self.generation} {name}: {found!r}, not {due!r}" for name, found, due in checks if found != due]


@pytest.fixture
async def roomy() -> AsyncIterator[Product]:
    """One API and one worker process with a thread for each answer."""
    product = Product(FABULA_WORKER_THREADS="64", FABULA_STARTING_CREDIT_MICROS="1000000000")
    try:
        await product.started()
        yield product
    finally:
        await asyncio.to_thread(product.stop)


async def test_fifty_conversations_at_once_lose_no_event_and_lag_by_less_than_200_ms(
    roomy: Product, http: httpx.AsyncClient
) -> None:
    assert not isinstance(roomy.ready["pids"]["api"], list) or len(roomy.ready["pids"]["api"]) == 1
    people = [await Author.newcomer(roomy, http) for _ in range(PEOPLE)]
    talks = []
    for author in people:
        for _ in range(TALKS_EACH):
            made = (await author.graphql(BEGIN))["conversationCreate"]
            talks.append(Talk(author, made["conversation"]["id"], roomy.ready["graphqlWsUrl"]))
    ready = asyncio.Barrier(len(talks))
    async with asyncio.TaskGroup() as tasks:
        for talk in talks:
            tasks.create_task(talk.run(ready))

    lags = [lag for talk in talks for lag in talk.lags]
    at_once = min(talk.last_at for talk in talks) - max(talk.first_at for talk in talks)
    measured_seconds(f"{len(talks)} conversations at once (demo channel): an event's `at` to its arrival", lags)
    measured_seconds("  sent all in one moment, until they were accepted", [talk.waited_s for talk in talks])
    measured("  all of them streaming together for", f"{at_once:.1f} s, {len(lags)} events")
    measured("  with a load of", f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    found = [line for talk in talks for line in await talk.deviations()]
    assert found == [], "\n".join(line[:400] for line in found)
    assert [line for author in people for line in await imbalances(author)] == []
    assert at_once > 0, "they were to stream at once"
    assert sorted(lags)[int(0.95 * (len(lags) - 1))] < LAG_S * slowness()


def _told(events: list[dict[str, Any]]) -> list[int]:
    """A snapshot tells nothing new: an end that is read from PostgreSQL comes with the whole text."""
    return [event["seq"] for event in events if event["__typename"] != "StreamSnapshot"]


def _message(kind: str, payload: dict[str, Any], **more: str) -> str:
    return json.dumps({"type": kind, "payload": payload, **more})


def _subscribe(name: str, query: str, node: str) -> str:
    return _message("subscribe", {"query": query, "variables": {"id": node}}, id=name)
