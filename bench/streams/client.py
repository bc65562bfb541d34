"""The readers' side: many graphql-transport-ws subscriptions on a few connections, in a process of its own.

    python -m bench.streams.client PLAN.json

Says `ready` when every subscription has had its first message; answers a line {"from", "until"} on its input, once
that time has passed, with what arrived of the tokens written in it. Frames are parsed by hand: what is measured is
the server.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import uvloop

GRACE_S = 1.0
"""What comes later than this after the last token does not count as delivered."""
TEXT = b'"text":"'
STAMP_CHARS = 17
REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


@dataclass(frozen=True)
class Plan:
    """One entry in `tokens` and `ids` a connection: its credentials, and what is subscribed to on it."""

    port: int
    path: str
    query: str
    tokens: list[str]
    ids: list[list[str]]


@dataclass
class Tally:
    expected_first: int
    ready: asyncio.Event
    arrivals: list[tuple[float, float]]
    messages: int = 0
    errors: int = 0


def masked(message: dict[str, Any]) -> bytes:
    """A client's text frame. The mask is zero: legal, and free."""
    payload = json.dumps(message).encode()
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


class Connection(asyncio.Protocol):
    def __init__(self, plan: Plan, number: int, tally: Tally) -> None:
        self._plan = plan
        self._number = number
        self._tally = tally
        self._rest = b""
        self._upgraded = False
        self._waiting = set(map(str, range(len(plan.ids[number]))))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(REQUEST.format(path=self._plan.path, port=self._plan.port).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.errors += 1

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if not self._upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._upgraded = True
            init = {"authorization": f"Bearer {self._plan.tokens[self._number]}"}
            self._transport.write(masked({"type": "connection_init", "payload": init}))
        self._rest = data[self._frames(data) :]

    def _frames(self, data: bytes) -> int:
        """Take all whole frames; where the rest begins."""
        at, end, now = 0, len(data), time.time()
        arrivals = self._tally.arrivals
        while end - at >= 2:
            size, head = data[at + 1], 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            start = at + head
            if end - start < size:
                break
            stamp = data.find(TEXT, start, start + size) if data[at] == 0x81 else -1
            if stamp >= 0:
                arrivals.append((float(data[stamp + 8 : stamp + 8 + STAMP_CHARS]), now))
            else:
                self._other(data[at] & 15, data[start : start + size])
            at = start + size
        return at

    def _other(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            self._transport.write(bytes((0x8A, 0x80 | len(payload))) + b"\0\0\0\0" + payload)
        if opcode != 1:
            return
        message = json.loads(payload)
        if message["type"] == "connection_ack":
            for number, id_ in enumerate(self._plan.ids[self._number]):
                asked = {"query": self._plan.query, "variables": {"id": id_}}
                self._transport.write(masked({"type": "subscribe", "id": str(number), "payload": asked}))
        elif message["type"] == "next" and message["id"] in self._waiting:
            self._waiting.discard(message["id"])
            self._tally.expected_first -= 1
            if not self._tally.expected_first:
                self._tally.ready.set()
        elif message["type"] in {"error", "complete"}:
            self._tally.errors += 1
            if not self._tally.ready.is_set():
                sys.exit(f"refused: {message}")


def report(tally: Tally, since: float, until: float, cpu_s: float) -> dict[str, float]:
    """Messages, and their latencies in ms, of the tokens written from `since` on: the last of them at `until`."""
    latest = until + GRACE_S
    late = sorted(now - sent for sent, now in tally.arrivals if since <= sent and now <= latest)
    at = [late[int(share * (len(late) - 1))] * 1000 if late else GRACE_S * 1000 for share in (0.5, 0.99)]
    return {"delivered": len(late), "p50_ms": at[0], "p99_ms": at[1], "errors": tally.errors, "cpu_s": cpu_s}


async def main(plan: Plan) -> None:
    loop = asyncio.get_running_loop()
    tally = Tally(sum(map(len, plan.ids)), asyncio.Event(), [])
    for number in range(len(plan.ids)):
        await loop.create_connection(partial(Connection, plan, number, tally), "127.0.0.1", plan.port)
    await tally.ready.wait()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        before = time.process_time()
        await asyncio.sleep(asked["until"] + GRACE_S - time.time())
        print(json.dumps(report(tally, asked["from"], asked["until"], time.process_time() - before)), flush=True)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        settings = Plan(**json.load(file))
    uvloop.run(main(settings))
