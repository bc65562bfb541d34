"""What the fake providers share: a real HTTP server on loopback that misbehaves on demand and remembers what it saw.

How a request is treated is decided by, in this order,

- its model's name when that reads as a behaviour: `cut:after=5`, `status:status=429,times=2,retry_after=1`;
- the server's `behaviour`, an attribute in process and `POST /control` with `{"mode": ..., ...}` from outside.

`GET /control` answers with the requests seen so far. Times are `time.monotonic()`, which on Linux all processes of a
machine share.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from email.utils import formatdate
from typing import Any, ClassVar, Self

from aiohttp import web

from tests.fakes.behaviour import BROKEN_MODES, TOOL_CALLS, Behaviour, Exchange, Piece, spoilt, token, vector


class FakeProvider(ABC):
    """`async with FakeX() as fake:` serves at `fake.base_url` until the block ends."""

    PATHS: ClassVar[tuple[str, ...]]
    EMBEDDING_PATHS: ClassVar[tuple[str, ...]] = ()
    BASE: ClassVar[str]
    KEY_HEADER: ClassVar[str] = "Authorization"
    REQUEST_ID_HEADER: ClassVar[str | None] = "x-request-id"

    def __init__(self, behaviour: Behaviour | None = None, *, port: int = 0) -> None:
        self.behaviour = behaviour or Behaviour()
        self.exchanges: list[Exchange] = []
        self._arrived = asyncio.Condition()
        self._port = port
        self._faults = 0
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}{self.BASE}"

    async def exchange(self, number: int = 1) -> Exchange:
        """The `number`th exchange, waiting for it to arrive."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.exchanges) >= number)
        return self.exchanges[number - 1]

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        for path in self.PATHS:
            app.router.add_post(path, self._write)
        for path in self.EMBEDDING_PATHS:
            app.router.add_post(path, self._embed)
        app.router.add_get("/control", self._show)
        app.router.add_post("/control", self._change)
        self.add_routes(app.router)
        # Cancelling the handler is how aiohttp tells it at once that the client has gone.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def add_routes(self, router: web.UrlDispatcher) -> None:  # noqa: B027 - most have none
        """For what a provider serves beside text and embeddings."""

    # The wire protocol, one firm's each.

    def model_of(self, request: web.Request, body: dict[str, Any]) -> str:
        return str(body.get("model", ""))

    def begin(self, *, usage: str = "full") -> bytes:
        """What comes before anything else; `usage` is "full", "zero" or "none"."""
        return b""

    def ping(self) -> bytes:
        return b": still here\n\n"

    @abstractmethod
    def text(self, text: str, number: int, *, finish: str | None = None, counted: bool = True) -> bytes:
        """`counted` asks for token counts where the protocol sends them with every event."""

    @abstractmethod
    def reasoning(self, text: str) -> bytes: ...

    @abstractmethod
    def finish(self, reason: str, tokens: int, *, usage: str = "full") -> list[bytes]:
        """The last events; `usage` is "full", "zero" or "none"."""

    @abstractmethod
    def empty(self) -> bytes: ...

    @abstractmethod
    def foreign(self) -> bytes: ...

    @abstractmethod
    def error(self, code: str, message: str) -> bytes: ...

    @abstractmethod
    def error_body(self, code: str, message: str) -> dict[str, Any]: ...

    @abstractmethod
    def tool_call(self, index: int, call_id: str, name: str, arguments: str) -> list[bytes]: ...

    @abstractmethod
    def prompt(self, body: dict[str, Any]) -> str: ...

    @abstractmethod
    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        """`length` and `temperature`, those that were asked for."""

    def embedded(self, body: dict[str, Any]) -> tuple[list[str], int | None]:
        """(texts, dimensions) of a request for embeddings."""
        raise NotImplementedError

    def embeddings(self, vectors: list[tuple[int, list[Any]]], tokens: int) -> dict[str, Any]:
        """The answer to one: (place of the text, vector)."""
        raise NotImplementedError

    # What happens to a request.

    async def _write(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, self._stream)

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, self._vectors)

    async def _answer(self, request: web.Request, well: Answer) -> web.StreamResponse:
        body = await request.json()
        behaviour = self._behaviour_of(self.model_of(request, body))
        exchange = Exchange(request.path, dict(request.headers), body, behaviour, time.monotonic())
        self.exchanges.append(exchange)
        async with self._arrived:
            self._arrived.notify_all()
        try:
            response = await self._fault(request, exchange) or await well(request, exchange)
        except ConnectionError:
            exchange.end("disconnected")
            return web.Response()
        except asyncio.CancelledError:
            exchange.end("disconnected")
            raise
        exchange.end("complete")
        return response

    def _behaviour_of(self, model: str) -> Behaviour:
        behaviour = self.behaviour.for_model(model)
        if behaviour.mode == "ok" or not behaviour.times:
            return behaviour
        self._faults += 1
        return behaviour if self._faults <= behaviour.times else replace(behaviour, mode="ok")

    async def _fault(self, request: web.Request, exchange: Exchange) -> web.StreamResponse | None:
        """The answer of the modes that never come to a stream; None for the others."""
        behaviour = exchange.behaviour
        headers = self._identified("req-fault")
        match behaviour.mode:
            case "hang":
                await asyncio.sleep(3_600)
            case "reset":
                exchange.end("fault")
                _reset(request)
            case "html":
                return web.Response(text="<html><body>Please sign in</body></html>", content_type="text/html")
            case "redirect":
                return web.Response(status=307, headers={"location": "http://127.0.0.1:9/elsewhere"})
            case "json":
                return web.json_response(self.error_body(behaviour.code, behaviour.message) if behaviour.code else {})
            case "echo_error":
                quoted = f"bad key {request.headers.get(self.KEY_HEADER)} for prompt: {self.prompt(exchange.body)}"
                return web.json_response(self.error_body("invalid_value", quoted), status=400, headers=headers)
            case "status":
                if behaviour.retry_after:
                    headers["retry-after"] = _retry_after(behaviour.retry_after)
                body = self.error_body(behaviour.code, behaviour.message)
                return web.json_response(body, status=behaviour.status, headers=headers)
        return None

    def _identified(self, request_id: str) -> dict[str, str]:
        return {self.REQUEST_ID_HEADER: request_id} if self.REQUEST_ID_HEADER else {}

    async def _stream(self, request: web.Request, exchange: Exchange) -> web.StreamResponse:
        behaviour = exchange.behaviour
        response = web.StreamResponse(headers={"content-type": "text/event-stream", **self._identified("req-1")})
        if behaviour.mode == "gzip":
            response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        for piece in self._pieces(behaviour):
            await asyncio.sleep(piece.pause_s)
            for part in _parts(piece.data, behaviour):
                await response.write(part)
            exchange.bytes_sent += len(piece.data)
            exchange.tokens_sent += piece.tokens
            if piece.tokens and exchange.first_token_at is None:
                exchange.first_token_at = time.monotonic()
            if piece.then == "abort":
                exchange.end("fault")
                _abort(request)
            if piece.then == "wait":
                await asyncio.sleep(3_600)
        with suppress(ConnectionError):
            await response.write_eof()
        return response

    def _pieces(self, behaviour: Behaviour) -> Iterator[Piece]:
        """The whole stream of a mode, lazily, since some have no end."""
        mode, after = behaviour.mode, behaviour.after
        if mode == "silent":
            yield Piece(then="wait")
        elif mode == "keepalive":
            yield from self._keepalive()
        else:
            yield Piece(self.begin(usage=_USAGE.get(mode, "full")))
            if mode in BROKEN_MODES:
                yield from self._tokens(behaviour, after)
                yield from self._break(behaviour)
            elif mode == "endless":
                yield from self._endless(behaviour)
            else:
                yield from self._whole(behaviour)

    def _break(self, behaviour: Behaviour) -> Iterator[Piece]:
        """What follows the first `after` tokens in the modes that break a stream."""
        match behaviour.mode:
            case "cut" | "eager_finish":
                yield Piece(then="abort")
            case "garbage":
                yield Piece(b"data: }{ not json\n\n", then="wait")
            case "broken_json":
                yield Piece(b'data: {"choices": [{"del\n\n', then="wait")
            case "foreign":
                yield Piece(self.foreign(), then="wait")
            case "bad_utf8":
                yield Piece(b'data: {"choices": "\xff\xfe"}\n\n', then="wait")
            case "error_frame":
                yield Piece(self.error(behaviour.code, behaviour.message), then="wait")
            case "huge_event":
                yield from self._huge()
            case "stall":
                yield Piece(then="wait")

    def _tokens(self, behaviour: Behaviour, count: int) -> Iterator[Piece]:
        finish = "stop" if behaviour.mode == "eager_finish" else None
        counted = behaviour.mode not in ("no_usage", "zero_usage")
        for number in range(1, count + 1):
            data = self.text(token(number, behaviour.script), number, finish=finish, counted=counted)
            yield Piece(data, 1, pause_s=behaviour.delay_ms / 1_000 if number > 1 else 0.0)
            if behaviour.mode == "empty_choices":
                yield Piece(self.empty())

    def _whole(self, behaviour: Behaviour) -> Iterator[Piece]:
        mode, count = behaviour.mode, behaviour.tokens
        if mode == "reasoning":
            yield from (Piece(self.reasoning(text)) for text in ("First ", "I ", "think. "))
        if mode == "surrogates":
            # JSON may escape one character as two halves, and nothing keeps them in one event.
            yield Piece(self.text("a\ud83d", 1), 1)
            yield Piece(self.text("\ude00b\x00c", 2), 1)
        elif mode != "empty":
            yield from self._tokens(behaviour, count)
        yield from self._calls(behaviour)
        reason = behaviour.code if mode == "odd_finish" else _REASONS.get(mode, "stop")
        last = self.finish(reason, count, usage=_USAGE.get(mode, "full"))
        if mode == "duplicate_finish":
            yield Piece(last[0])
        if mode == "late_cut":
            yield Piece(self.finish(reason, count, usage="none")[0])
            yield Piece(then="abort")
        yield from (Piece(data) for data in last)

    def _calls(self, behaviour: Behaviour) -> Iterator[Piece]:
        if behaviour.mode == "tool_calls":
            for index, call in enumerate(TOOL_CALLS):
                yield from (Piece(data) for data in self.tool_call(index, *call))
        if behaviour.mode == "broken_tool_call":
            yield from (Piece(data) for data in self.tool_call(0, "call_a", "look_up", '{"name": "Mi'))

    def _endless(self, behaviour: Behaviour) -> Iterator[Piece]:
        number = 0
        while True:
            number += 1
            yield Piece(self.text(token(number, behaviour.script), number), 1, pause_s=behaviour.delay_ms / 1_000)

    def _keepalive(self) -> Iterator[Piece]:
        while True:
            yield Piece(self.ping(), pause_s=0.01)

    @staticmethod
    def _huge() -> Iterator[Piece]:
        yield Piece(b"data: ")
        while True:
            yield Piece(b"x" * 65_536)

    async def _vectors(self, _request: web.Request, exchange: Exchange) -> web.StreamResponse:
        mode = exchange.behaviour.mode
        if mode == "garbage":
            return web.Response(text="}{ not json", content_type="application/json")
        if mode == "foreign":
            return web.json_response(["no", "object"])
        if mode == "endless":
            return web.Response(body=b" " * (65 << 20), content_type="application/json")
        texts, dimensions = self.embedded(exchange.body)
        vectors = spoilt(mode, [(place, vector(text, dimensions or 8)) for place, text in enumerate(texts)])
        return web.json_response(self.embeddings(vectors, sum(map(len, texts))))

    # The control page.

    async def _show(self, _request: web.Request) -> web.Response:
        seen = [exchange.as_json() for exchange in self.exchanges]
        return web.json_response({"behaviour": asdict(self.behaviour), "requests": seen, "now": time.monotonic()})

    async def _change(self, request: web.Request) -> web.Response:
        """Starts from the server's defaults of tokens and pace, and forgets how many faults there were."""
        kept = {"tokens": self.behaviour.tokens, "delay_ms": self.behaviour.delay_ms}
        try:
            self.behaviour = Behaviour().overridden(kept | await request.json())
        except (ValueError, TypeError) as exc:
            return web.json_response({"error": str(exc)}, status=400)
        self._faults = 0
        return web.json_response(asdict(self.behaviour))


def sse(document: object, **lines: str) -> bytes:
    """One server-sent event. Surrogate halves leave as JSON escapes."""
    text = json.dumps(document, ensure_ascii="\\ud" in json.dumps(document))
    head = "".join(f"{name.strip('_')}:{value}\n" for name, value in lines.items())
    return f"{head}data: {text}\n\n".encode()


Answer = Callable[[web.Request, Exchange], Awaitable[web.StreamResponse]]
_USAGE = {"no_usage": "none", "zero_usage": "zero"}
_REASONS = {"length": "length", "content_filter": "content_filter", "tool_calls": "tool_calls"}


def _parts(data: bytes, behaviour: Behaviour) -> Iterator[bytes]:
    if behaviour.mode != "split":
        yield from (data,) if data else ()
        return
    for start in range(0, len(data), 7):
        yield data[start : start + 7]


def _retry_after(setting: str) -> str:
    if setting.startswith("date+"):
        return formatdate(time.time() + float(setting[5:]), usegmt=True)
    return setting


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _reset(request: web.Request) -> None:
    """Closes with a TCP reset: no linger, nothing flushed."""
    if request.transport is not None:
        linger = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.transport.abort()


def closed_port() -> int:
    """A loopback port where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
