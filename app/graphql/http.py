"""GraphQL over HTTP: POST with JSON, answered as JSON or, for streams, as server-sent events; GET for queries."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
from graphql import GraphQLError, OperationType
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.graphql.documents import Prepared
from app.graphql.engine import Answer
from app.graphql.errors import MASKED, DocumentRefused, RequestRefused, StreamRefused, present
from app.graphql.gate import Gate
from app.graphql.request import GraphQLRequest, read_request
from app.graphql.sqlplan import TextAnswer
from app.graphql.timers import CoarseTimers, Interruption
from app.graphql.trusted import Registry
from app.graphql.ws import Authenticate, NewContext
from app.origins import may_call
from app.settings import Limits
from domain.errors import Forbidden, Unauthenticated
from domain.ids import new_id
from schema.context import Context

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
PREFLIGHT_HEADERS = ("x-fabula-preflight", "apollo-require-preflight")
SSE_PING_S = 12.0
WATCHED_AFTER_S = 0.1
"""A query that takes longer is ended when its client goes away."""
DRAINED_BYTES_MAX = 64 * 1024 * 1024
"""A body over the limit is read to its end and thrown away: a client that still sends does not hear the refusal."""
REMEMBERED_BYTES_MAX = 1_000
REMEMBERED_MAX = 1_000
"""So many bodies of at most so many bytes are read once: clients that send hashes send the same ones again and again."""
_remembered: dict[bytes, GraphQLRequest] = {}


class HttpEndpoint:
    def __init__(
        self, documents: Registry, gate: Gate, authenticate: Authenticate, new_context: NewContext, limits: Limits
    ) -> None:
        self._documents = documents
        self._gate = gate
        self._authenticate = authenticate
        self._new_context = new_context
        self._limits = limits
        self._streams: set[asyncio.Future[None]] = set()
        self._timers = CoarseTimers()

    def restart(self) -> None:
        """The server goes away: streams end without having completed, so that their clients connect again."""
        for leaving in self._streams:
            if not leaving.done():
                leaving.set_result(None)

    async def __call__(self, request: Request) -> Response:
        request_id = new_id().hex
        media_type = JSON
        try:
            media_type = accepted(header(request, b"accept"))
            return await self._answer(request, request_id, media_type)
        except RequestRefused as refusal:
            if media_type == EVENT_STREAM:
                media_type = JSON
            return reply(refusal.body(request_id), refusal.status, media_type, request_id, refusal.headers)
        except Exception as error:  # noqa: BLE001 - masked for the client and logged
            masked = {"errors": [present(GraphQLError(MASKED, original_error=error), request_id)]}
            return reply(masked, 500, JSON, request_id)

    async def _answer(self, request: Request, request_id: str, media_type: str) -> Response:
        asked = read_request(by_url(request)) if request.method == "GET" else as_asked(await self._body(request))
        context = await self._context(request, request_id)
        try:
            prepared = await self._documents.prepare(asked, context.caller)
            if request.method == "GET" and prepared.kind is not OperationType.QUERY:
                raise _only_post(f"Send a {prepared.kind.value} with POST.")
            if media_type == EVENT_STREAM and request.method == "POST":
                return self._stream(self._results(prepared, context), request_id)
            if prepared.kind is OperationType.SUBSCRIPTION:
                message = f"Subscribe over WebSocket, or with `Accept: {EVENT_STREAM}`."
                raise RequestRefused("NOT_ACCEPTABLE", message, 406)
            with WhileConnected(request, prepared.kind, self._timers):
                result = await self._gate.run(prepared, context)
        except DocumentRefused as refusal:
            body = self._gate.body(refusal, context.caller, request_id)
            if media_type == EVENT_STREAM and request.method == "POST":
                return self._stream(_only(as_json(body)), request_id)
            # As application/json, an answer to a well-formed request is 200 even when GraphQL refuses it.
            status = 200 if media_type == JSON else 400
            return reply(body, status, JSON if media_type == EVENT_STREAM else media_type, request_id)
        if request.method == "GET":
            return cacheable(result, request, media_type, request_id)
        return reply(result, _status(result, media_type), media_type, request_id)

    def _stream(self, results: AsyncIterator[list[bytes]], request_id: str) -> Response:
        leaving: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._streams.add(leaving)
        leaving.add_done_callback(self._streams.discard)
        return StreamingResponse(sse(results, leaving), media_type=EVENT_STREAM, headers=_sse_headers(request_id))

    async def _results(self, prepared: Prepared, context: Context) -> AsyncIterator[list[bytes]]:
        """Encoded answers, all that are ready together."""
        try:
            if prepared.kind is OperationType.SUBSCRIPTION:
                async with contextlib.aclosing(self._gate.stream(prepared, context)) as batches:  # type: ignore[type-var]
                    async for answers in batches:
                        yield answers
            else:
                yield [as_json(await self._gate.run(prepared, context))]
        except StreamRefused as refusal:
            yield [as_json(refusal.answer)]
        except (RequestRefused, DocumentRefused) as refusal:
            yield [as_json(self._gate.body(refusal, context.caller, context.request_id))]

    async def _context(self, request: Request, request_id: str) -> Context:
        try:
            actor = await self._authenticate(header(request, b"authorization"), header(request, b"x-tenant"))
        except Unauthenticated as error:
            code = "TOKEN_EXPIRED" if error.expired else "UNAUTHENTICATED"
            raise RequestRefused(code, error.message, 401, {"www-authenticate": "Bearer"}) from None
        except Forbidden as error:
            raise RequestRefused("FORBIDDEN", error.message, 403) from None
        if not may_call(request.scope, actor):
            raise RequestRefused("FORBIDDEN", "This token may not be used by this page.", 403)
        return self._new_context(actor, request_id, request.client.host if request.client else "")

    async def _body(self, request: Request) -> bytes:
        if request.method != "POST":
            raise _only_post("Send operations with POST.")
        if (header(request, b"content-type") or "").partition(";")[0].strip().lower() != JSON:
            raise RequestRefused("UNSUPPORTED_MEDIA_TYPE", f"Send the request as {JSON}.", 415)
        limit = self._limits.body_bytes_max
        raw, size, more = b"", 0, True
        while more and size <= limit + DRAINED_BYTES_MAX:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise RequestRefused("BAD_REQUEST", "The request was not sent to its end.")
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if size <= limit:
                raw += part
        if size > limit:
            raise RequestRefused("PAYLOAD_TOO_LARGE", f"At most {limit:,} bytes.", 413, {"connection": "close"})
        return raw


def header(request: Request, name: bytes) -> str | None:
    """The first of its name, which is in lower case: the framework's own look-up compares texts that it decodes."""
    for key, value in request.scope["headers"]:
        if key == name:
            return value.decode("latin-1")  # type: ignore[no-any-return]
    return None


def as_asked(body: bytes) -> GraphQLRequest:
    """Raises RequestRefused."""
    known = _remembered.get(body)
    if known is not None:
        return known
    try:
        asked = read_request(orjson.loads(body))
    except orjson.JSONDecodeError:
        raise RequestRefused("BAD_REQUEST", "The body is not JSON.") from None
    # Texts and variables may hold secrets, of which none is to be kept: a sign-in is both small and common.
    if asked.document_hash and not asked.query and not asked.variables and len(body) <= REMEMBERED_BYTES_MAX:
        if len(_remembered) >= REMEMBERED_MAX:
            _remembered.clear()
        _remembered[body] = asked
    return asked


def _only_post(message: str) -> RequestRefused:
    return RequestRefused("METHOD_NOT_ALLOWED", message, 405, {"allow": "POST"})


def by_url(request: Request) -> dict[str, Any]:
    """The body that a GET stands for: a query, as text or by its hash, with variables and operation name.

    A header that no form and no image can send keeps other sites from asking in a person's name. What is asked as text
    and in nobody's name does without.
    """
    parameters, headers = request.query_params, request.headers
    if not ({"query", "documentId", "extensions"} & parameters.keys()):
        raise _only_post("Send operations with POST. GET is for queries: `query` or `documentId`.")
    nobodys = "query" in parameters and "authorization" not in headers
    if not nobodys and not any(name in headers for name in PREFLIGHT_HEADERS):
        raise RequestRefused("BAD_REQUEST", f"GET needs the header `{PREFLIGHT_HEADERS[0]}`.")
    body: dict[str, Any] = {
        name: parameters[name] for name in ("query", "documentId", "operationName") if name in parameters
    }
    for name in ("variables", "extensions"):
        if parameters.get(name):
            try:
                body[name] = orjson.loads(parameters[name])
            except orjson.JSONDecodeError:
                raise RequestRefused("BAD_REQUEST", f"`{name}` is not JSON.") from None
    return body


def cacheable(result: Answer, request: Request, media_type: str, request_id: str) -> Response:
    """An answer that a browser may keep for its user: asked again, data that is the same is not sent again."""
    status = _status(result, media_type)
    media_type = JSON if media_type == EVENT_STREAM else media_type
    if not isinstance(result, TextAnswer) and "errors" in result:
        return reply(result, status, media_type, request_id, {"cache-control": "no-store"})
    said = result.data if isinstance(result, TextAnswer) else orjson.dumps(result["data"], default=str)
    tag = f'"{hashlib.sha256(said).hexdigest()[:32]}"'
    headers = {"cache-control": "private, no-cache", "etag": tag, "vary": "accept, authorization, x-tenant"}
    if tag in (one.strip() for one in request.headers.get("if-none-match", "").split(",")):
        return Response(None, 304, {**headers, "x-request-id": request_id})
    return reply(result, status, media_type, request_id, headers)


def accepted(accept: str | None) -> str:
    """The best media type that a client accepts. Raises RequestRefused when it wants none of ours."""
    if not accept:
        return JSON
    asked = [part.partition(";") for part in accept.lower().split(",")]
    ranked = sorted(asked, key=lambda part: -_quality(part[2]))
    for name, _, parameters in ranked:
        if not _quality(parameters):
            break
        match name.strip():
            case "application/graphql-response+json" | "application/json" | "text/event-stream" as exact:
                return exact
            case "*/*" | "application/*":
                return JSON
    raise RequestRefused("NOT_ACCEPTABLE", f"Answers are {GRAPHQL_JSON}, {JSON} or {EVENT_STREAM}.", 406)


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            with contextlib.suppress(ValueError):
                return float(value)
    return 1.0


def _status(result: Answer, media_type: str) -> int:
    return 400 if media_type == GRAPHQL_JSON and isinstance(result, dict) and "data" not in result else 200


def as_json(answer: Answer) -> bytes:
    return answer.body if isinstance(answer, TextAnswer) else orjson.dumps(answer, default=str)


def reply(
    body: Answer, status: int, media_type: str, request_id: str, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        as_json(body),
        status,
        {"content-type": f"{media_type}; charset=utf-8", "x-request-id": request_id, **(headers or {})},
    )


async def _only(answer: bytes) -> AsyncIterator[list[bytes]]:
    yield [answer]


def _sse_headers(request_id: str) -> dict[str, str]:
    return {"cache-control": "no-cache", "x-accel-buffering": "no", "x-request-id": request_id}


async def sse(results: AsyncIterator[list[bytes]], leaving: asyncio.Future[None]) -> AsyncIterator[bytes]:
    """The graphql-sse protocol's distinct connections: `next` for every answer, then `complete`.

    Once `leaving` is done the stream ends as it is, without `complete`: its client takes that for a lost connection,
    and connects again.
    """
    iterator = results.__aiter__()
    pending: asyncio.Future[list[bytes]] = asyncio.ensure_future(anext(iterator))
    try:
        yield b":\n\n"
        while True:
            waiting: set[asyncio.Future[Any]] = {pending, leaving}
            done, _ = await asyncio.wait(waiting, timeout=SSE_PING_S, return_when=asyncio.FIRST_COMPLETED)
            if leaving in done:
                return
            if not done:
                yield b":\n\n"
                continue
            try:
                answers = pending.result()
            except StopAsyncIteration:
                break
            yield b"".join(b"event: next\ndata: %b\n\n" % answer for answer in answers)
            pending = asyncio.ensure_future(anext(iterator))
        yield b"event: complete\ndata:\n\n"
    finally:
        leaving.cancel()
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        with contextlib.suppress(RuntimeError):
            await results.aclose()  # type: ignore[attr-defined]


class WhileConnected:
    """Ends a query whose client has gone. A mutation goes on: its client cannot know how far it was.

    Raises RequestRefused, which nobody reads. Short queries are not watched.
    """

    __slots__ = ("_interruption", "_request", "_timer", "_timers", "_watcher")

    def __init__(self, request: Request, kind: OperationType, timers: CoarseTimers) -> None:
        self._request = request
        self._timers = timers
        self._interruption = Interruption()
        self._watcher: asyncio.Task[None] | None = None
        self._timer = timers.call_later(WATCHED_AFTER_S, self._begin) if kind is OperationType.QUERY else None

    def _begin(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._interruption.fire()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _class: object, error: BaseException | None, _traceback: object) -> None:
        if self._timer is not None:
            self._timers.cancel(self._timer)
        if self._watcher is not None:
            self._watcher.cancel()
        if self._interruption.explains(error):
            raise RequestRefused("CLIENT_CLOSED_REQUEST", "The client has gone.", 499) from None
