"""Python peers behind the same server and over the same log: stock strawberry, and a raw FastAPI WebSocket.

    python -m bench.streams.peers PORT REDIS_URL

Both read as a good programmer would who knows the log: one XREAD a process, a queue a subscriber. Neither
authenticates, or looks whether a job has ended.
"""

import asyncio
import base64
import contextlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import redis.asyncio as redis
import strawberry
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from strawberry.fastapi import GraphQLRouter
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

TICK_S = 0.005
Entry = tuple[bytes, dict[bytes, bytes]]


class Reader:
    def __init__(self, url: str) -> None:
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=None)
        self._last: dict[str, bytes] = {}
        self._queues: dict[str, asyncio.Queue[Entry]] = {}

    def queue(self, key: str) -> asyncio.Queue[Entry]:
        self._last[key] = b"0-0"
        return self._queues.setdefault(key, asyncio.Queue())

    async def run(self) -> None:
        while True:
            answer = await self._redis.xread(dict(self._last), count=256, block=20) if self._last else None
            for key, batches in answer.items() if isinstance(answer, dict) else answer or ():
                entries = batches[0] if batches and isinstance(batches[0], list) else batches
                self._last[key.decode()] = entries[-1][0]
                for entry in entries:
                    self._queues[key.decode()].put_nowait(entry)
            await asyncio.sleep(TICK_S)


reader = Reader(sys.argv[2])


def place(key: str, raw_id: bytes, fields: dict[bytes, bytes]) -> tuple[int, str, datetime]:
    attempt, _, n = raw_id.partition(b"-")
    seq = int(attempt) << 20 | int(n)
    cursor = base64.urlsafe_b64encode(key.encode() + b"/" + raw_id).decode()
    return seq, cursor, datetime.fromtimestamp(int(fields[b"a"]) / 1000, UTC)


@strawberry.interface
class GenerationEvent:
    seq: int
    cursor: str
    at: datetime


@strawberry.type
class GenerationStartedEvent(GenerationEvent):
    attempt: int


@strawberry.type
class TextDelta(GenerationEvent):
    text: str


@strawberry.type
class Query:
    hello: str = "hello"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def generation_events(self, id: strawberry.ID) -> AsyncGenerator[GenerationEvent, None]:
        queue = reader.queue(id)
        while True:
            raw_id, fields = await queue.get()
            seq, cursor, at = place(id, raw_id, fields)
            data = orjson.loads(fields[b"d"])
            if fields[b"t"] == b"DELTA":
                yield TextDelta(seq=seq, cursor=cursor, at=at, text=data["text"])
            else:
                yield GenerationStartedEvent(seq=seq, cursor=cursor, at=at, attempt=data["attempt"])


async def raw(ws: WebSocket) -> None:
    """The same messages without GraphQL."""
    await ws.accept("graphql-transport-ws")
    tasks: list[asyncio.Task[None]] = []
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            message = orjson.loads(await ws.receive_text())
            if message["type"] == "connection_init":
                await ws.send_text('{"type":"connection_ack"}')
            else:
                tasks.append(asyncio.create_task(_pump(ws, message["id"], message["payload"]["variables"]["id"])))
    for task in tasks:
        task.cancel()


async def _pump(ws: WebSocket, id_: str, key: str) -> None:
    queue = reader.queue(key)
    while True:
        raw_id, fields = await queue.get()
        seq, cursor, at = place(key, raw_id, fields)
        kind = "TextDelta" if fields[b"t"] == b"DELTA" else "GenerationStartedEvent"
        event = {"__typename": kind, "seq": seq, "cursor": cursor, "at": at.isoformat(timespec="milliseconds")}
        event |= orjson.loads(fields[b"d"])
        message = {"id": id_, "type": "next", "payload": {"data": {"generationEvents": event}}}
        await ws.send_text(orjson.dumps(message).decode())


def application() -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        reading = asyncio.create_task(reader.run())
        yield
        reading.cancel()

    app = FastAPI(lifespan=lifespan)
    schema = strawberry.Schema(query=Query, subscription=Subscription, types=[TextDelta, GenerationStartedEvent])
    protocols = (GRAPHQL_TRANSPORT_WS_PROTOCOL,)
    router: Any = GraphQLRouter(
        schema, subscription_protocols=protocols, graphql_ide=None, max_subscriptions_per_connection=None
    )
    app.include_router(router, prefix="/stock")
    app.add_api_websocket_route("/raw", raw)
    return app


if __name__ == "__main__":
    options: dict[str, Any] = {"ws": "websockets-sansio", "ws_per_message_deflate": False, "access_log": False}
    uvicorn.run(application(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", **options)
