"""A client of one generation's events that behaves as the Studio does, and notes whatever a client should not see."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from domain.events import N_BITS

EVENTS = """
subscription ($id: ID!, $after: String) {
  generationEvents(id: $id, after: $after) {
    __typename seq cursor
    ... on TextDelta { text }
    ... on StreamReset { attempt }
    ... on StreamSnapshot { text }
    ... on GenerationCompleted { version { id text state } }
    ... on GenerationFailed { code message }
    ... on GenerationCancelled { version { id text state } }
    ... on GenerationTruncated { reason version { id text state } }
  }
}
"""
ENDINGS = {"GenerationCompleted", "GenerationFailed", "GenerationCancelled", "GenerationTruncated"}
RECONNECT_S = 0.1
PATIENCE_S = 60.0


class Seen(NamedTuple):
    """An event's arrival, in monotonic seconds."""

    at: float
    seq: int
    type: str

    @property
    def attempt(self) -> int:
        return self.seq >> N_BITS


class Watcher:
    """Start `run` as a task.

    `expected` is what the text must be a beginning of at every moment; None leaves it open. `leaves_after_s` makes a
    reader with a bad line, who loses the connection so long after each time it is made.
    """

    def __init__(
        self,
        url: str,
        token: str,
        generation_id: str,
        *,
        after: str | None = None,
        expected: str | None = None,
        leaves_after_s: float | None = None,
    ) -> None:
        self._url = url
        self._token = token
        self._id = generation_id
        self._expected = expected
        self._leaves_after_s = leaves_after_s
        self._changed = asyncio.Condition()
        self.text = ""
        self.cursor = after
        self.seen: list[Seen] = []
        self.anomalies: list[str] = []
        self.resets = self.snapshots = self.connects = 0
        self.end: dict[str, Any] | None = None

    async def run(self) -> None:
        """Until the stream's end, through any number of lost connections."""
        while self.end is None:
            try:
                await self._session()
            except (OSError, WebSocketException):
                await asyncio.sleep(RECONNECT_S)

    async def reached(self, characters: int) -> None:
        """Until the text is that long, or the stream has ended."""
        await self._until(lambda: len(self.text) >= characters or self.end is not None)

    async def reached_attempt(self, number: int) -> None:
        """Until an event of that attempt or a later one, or the stream's end."""
        await self._until(lambda: self.attempt >= number or self.end is not None)

    async def ended(self) -> None:
        """Until the stream's end."""
        await self._until(lambda: self.end is not None)

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(reached)

    @property
    def attempt(self) -> int:
        """Of the last event; 0 before the first."""
        return self.seen[-1].attempt if self.seen else 0

    def first_after(self, moment: float, *, newer_than: int = -1) -> float:
        """Seconds from a moment to the first event after it, of an attempt above `newer_than`."""
        return next(e.at for e in self.seen if e.at > moment and e.attempt > newer_than) - moment

    def pause_after(self, moment: float) -> float:
        """The longest silence within the text that lasts beyond a moment, in seconds."""
        times = [event.at for event in self.seen if event.type not in ENDINGS]
        return max((later - earlier for earlier, later in itertools.pairwise(times) if later > moment), default=0.0)

    async def _session(self) -> None:
        protocol = Subprotocol("graphql-transport-ws")
        async with connect(self._url, subprotocols=[protocol], proxy=None, open_timeout=3, close_timeout=1) as ws:
            await ws.send(_message("connection_init", {"authorization": f"Bearer {self._token}"}))
            assert json.loads(await ws.recv())["type"] == "connection_ack"
            variables = {"id": self._id, "after": self.cursor}
            await ws.send(_message("subscribe", {"query": EVENTS, "variables": variables}, id="1"))
            self.connects += 1
            try:
                async with asyncio.timeout(self._leaves_after_s):
                    await self._read(ws)
            except TimeoutError:
                ws.transport.abort()

    async def _read(self, ws: ClientConnection) -> None:
        async for raw in ws:
            message = json.loads(raw)
            match message["type"]:
                case "next":
                    await self._take(message["payload"])
                case "complete":
                    if self.end is None:
                        self.anomalies.append("complete without an ending")
                    return
                case "error":
                    self.anomalies.append(f"refused: {message['payload']}")
                    await asyncio.sleep(RECONNECT_S)
                    return

    async def _take(self, payload: dict[str, Any]) -> None:
        if "errors" in payload:
            self.anomalies.append(f"errors: {payload['errors']}")
        event = (payload.get("data") or {}).get("generationEvents")
        if event is None:
            return
        async with self._changed:
            self._apply(event)
            self._changed.notify_all()

    def _apply(self, event: dict[str, Any]) -> None:
        kind, seq = event["__typename"], event["seq"]
        if self.seen and seq <= self.seen[-1].seq:
            self.anomalies.append(f"{kind} {seq} after {self.seen[-1]}")
            return
        if self.end is not None:
            self.anomalies.append(f"{kind} after {self.end['__typename']}")
        self.seen.append(Seen(time.monotonic(), seq, kind))
        self.cursor = event["cursor"]
        if kind == "TextDelta":
            self.text += event["text"]
        elif kind == "StreamSnapshot":
            self.text, self.snapshots = event["text"], self.snapshots + 1
        elif kind == "StreamReset":
            self.text, self.resets = "", self.resets + 1
        elif kind in ENDINGS:
            self.end = event
        if self._expected is not None and not self._expected.startswith(self.text):
            self.anomalies.append(f"{kind} {seq} makes the text {self.text!r}")


def _message(kind: str, payload: dict[str, Any], **more: str) -> str:
    return json.dumps({"type": kind, "payload": payload, **more})
