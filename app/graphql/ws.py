"""GraphQL over WebSocket: the graphql-transport-ws protocol, to the letter.

4400  a message that is not of the protocol       4409  an id that is in use
4401  an operation before the acknowledgement,     4429  a second connection_init
      or credentials that are not good             1009  a message over the size limit (the server's own)
4403  the access token has expired                 1012  the server restarts: connect again
4408  no connection_init in time                   4406  another subprotocol
1013  the user has too many connections
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from graphql import GraphQLError, OperationType
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.graphql.documents import Prepared
from app.graphql.engine import Answer
from app.graphql.errors import MASKED, DocumentRefused, RequestRefused, StreamRefused, present
from app.graphql.frames import outlet_of
from app.graphql.gate import Gate
from app.graphql.request import read_request
from app.graphql.sqlplan import TextAnswer
from app.graphql.trusted import Registry
from app.origins import may_call
from app.settings import Limits
from domain.accounts import Actor
from domain.errors import Forbidden, Unauthenticated
from domain.ids import new_id
from schema.context import Context

PROTOCOL = "graphql-transport-ws"
LATE_S = 0.5
"""A token is given up this long after it expires, so that a refresh at the last moment does not race its end."""

Authenticate = Callable[[str | None, str | None], Awaitable[Actor | None]]
NewContext = Callable[[Actor | None, str, str], Context]


class Close(Exception):
    """Ends the socket with a code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Socket:
    """One connection: reads its messages, runs its operations."""

    def __init__(
        self, ws: WebSocket, documents: Registry, gate: Gate, authenticate: Authenticate, new_context: NewContext,
        limits: Limits,
    ) -> None:  # fmt: skip
        self._ws = ws
        self._documents = documents
        self._gate = gate
        self._authenticate = authenticate
        self._new_context = new_context
        self._limits = limits
        self._client = ws.client.host if ws.client else ""
        self._outlet = outlet_of(ws)
        self._actor: Actor | None = None
        self._initialised = self._acknowledged = self._counted = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._timers: list[asyncio.Task[None]] = []

    async def serve(self) -> None:
        if PROTOCOL not in self._ws.scope.get("subprotocols", []):
            await self._ws.accept()
            await self._ws.close(4406, "Subprotocol not acceptable")
            return
        await self._ws.accept(PROTOCOL)
        self._timers.append(asyncio.create_task(self._require_init()))
        try:
            while True:
                await self._handle(await self._receive())
        except Close as close:
            await self._close(close.code, close.reason)
        except WebSocketDisconnect:
            pass
        finally:
            tasks = [*self._operations.values(), *self._timers]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._counted and self._actor is not None:
                self._gate.connections.leave(self._actor.user_id)

    async def restart(self) -> None:
        """The server goes away; the client may connect to another at once."""
        await self._close(1012, "Service restart")

    # -- messages -------------------------------------------------------------------------------------------------

    async def _receive(self) -> dict[str, Any]:
        received = await self._ws.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", 1005))
        text = received.get("text")
        try:
            message = orjson.loads(text if text is not None else received["bytes"])
        except orjson.JSONDecodeError:
            raise Close(4400, "Invalid JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Close(4400, "A message is an object with a type")
        return message

    async def _handle(self, message: dict[str, Any]) -> None:
        payload = message.get("payload")
        match message["type"]:
            case "connection_init":
                await self._init(_optional_object(payload))
            case "ping":
                _optional_object(payload)
                await self._send({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})
            case "pong":
                _optional_object(payload)
            case "subscribe":
                await self._subscribe(_id(message), payload)
            case "complete":
                if (task := self._operations.pop(_id(message), None)) is not None:
                    task.cancel()
            case unknown:
                raise Close(4400, f"Unknown message type {unknown[:40]}")

    async def _init(self, payload: dict[str, Any] | None) -> None:
        if self._initialised:
            raise Close(4429, "Too many initialisation requests")
        self._initialised = True
        said = {key.lower(): value for key, value in (payload or {}).items() if isinstance(value, str)}
        try:
            self._actor = await self._authenticate(said.get("authorization"), said.get("tenant", said.get("x-tenant")))
        except Unauthenticated as error:
            raise Close(4403 if error.expired else 4401, error.message) from None
        except Forbidden as error:
            raise Close(4401, error.message) from None
        if not may_call(self._ws.scope, self._actor):
            raise Close(4401, "This token may not be used by this page")
        if self._actor is not None:
            self._counted = self._gate.connections.enter(self._actor.user_id)
            if not self._counted:
                raise Close(1013, f"At most {self._gate.connections.most} connections a user")
        if self._actor is not None and self._actor.expires_at is not None:
            self._timers.append(asyncio.create_task(self._expire(self._actor.expires_at)))
        self._acknowledged = True
        await self._send({"type": "connection_ack"})

    async def _require_init(self) -> None:
        await asyncio.sleep(self._limits.ws_init_timeout_s)
        if not self._initialised:
            await self._close(4408, "Connection initialisation timeout")

    async def _expire(self, at: datetime) -> None:
        await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()) + LATE_S)
        await self._close(4403, "The access token has expired")

    # -- operations -----------------------------------------------------------------------------------------------

    async def _subscribe(self, operation_id: str, payload: Any) -> None:
        if not self._acknowledged:
            raise Close(4401, "Unauthorized")
        if operation_id in self._operations:
            raise Close(4409, f"Subscriber for {operation_id[:100]} already exists")
        if not _is_request(payload):
            raise Close(4400, "A subscribe message has a payload with a query or a documentId")
        request_id = new_id().hex
        try:
            prepared = await self._documents.prepare(read_request(payload), self._actor)
            if len(self._operations) >= self._limits.connection_subscriptions_max:
                message = f"At most {self._limits.connection_subscriptions_max} operations at once on a connection."
                raise RequestRefused("LIMIT_REACHED", message)
        except (RequestRefused, DocumentRefused) as refusal:
            await self._refuse(operation_id, refusal, request_id)
            return
        context = self._new_context(self._actor, request_id, self._client)
        self._operations[operation_id] = asyncio.create_task(self._run(operation_id, prepared, context))

    async def _run(self, operation_id: str, prepared: Prepared, context: Context) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the client has gone in the middle of a send
            try:
                if prepared.kind is OperationType.SUBSCRIPTION:
                    await self._stream(operation_id, prepared, context)
                elif not await self._answer(operation_id, await self._gate.run(prepared, context)):
                    return
            except StreamRefused as refusal:
                await self._answer(operation_id, refusal.answer)
                return
            except (RequestRefused, DocumentRefused) as refusal:
                self._operations.pop(operation_id, None)
                await self._refuse(operation_id, refusal, context.request_id)
                return
            except (WebSocketDisconnect, RuntimeError):
                raise
            except Exception as error:  # noqa: BLE001 - masked for the client and logged
                masked = present(GraphQLError(MASKED, original_error=error), context.request_id)
                await self._answer(operation_id, {"errors": [masked]})
                return
            self._operations.pop(operation_id, None)
            await self._send({"id": operation_id, "type": "complete"})

    async def _stream(self, operation_id: str, prepared: Prepared, context: Context) -> None:
        """Send the answers of a subscription, one message each."""
        head = b'{"id":%b,"type":"next","payload":' % orjson.dumps(operation_id)
        async with contextlib.aclosing(self._gate.stream(prepared, context)) as batches:  # type: ignore[type-var]
            async for answers in batches:
                await self._outlet.send([b"%b%b}" % (head, answer) for answer in answers])

    async def _refuse(self, operation_id: str, refusal: RequestRefused | DocumentRefused, request_id: str) -> None:
        errors = self._gate.body(refusal, self._actor, request_id)["errors"]
        await self._send({"id": operation_id, "type": "error", "payload": errors})

    async def _answer(self, operation_id: str, answer: Answer) -> bool:
        """Send one answer; False when it ends the operation, because nothing was executed."""
        if isinstance(answer, TextAnswer) or "data" in answer:
            payload = orjson.Fragment(answer.body) if isinstance(answer, TextAnswer) else answer
            await self._send({"id": operation_id, "type": "next", "payload": payload})
            return True
        self._operations.pop(operation_id, None)
        await self._send({"id": operation_id, "type": "error", "payload": answer["errors"]})
        return False

    async def _send(self, message: dict[str, Any]) -> None:
        await self._outlet.send([orjson.dumps(message, default=str)])

    async def _close(self, code: int, reason: str) -> None:
        if self._ws.application_state is not WebSocketState.DISCONNECTED:
            self._outlet.flush()
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self._ws.close(code, reason[:120])


def _optional_object(payload: Any) -> dict[str, Any] | None:
    if payload is not None and not isinstance(payload, dict):
        raise Close(4400, "A payload is an object")
    return payload


def _is_request(payload: Any) -> bool:
    """Whether a subscribe message's payload has the types of the protocol."""
    return (
        isinstance(payload, dict)
        and all(isinstance(payload.get(part), str | None) for part in ("query", "documentId", "operationName"))
        and all(isinstance(payload.get(part), dict | None) for part in ("variables", "extensions"))
        and ("query" in payload or "documentId" in payload or "persistedQuery" in (payload.get("extensions") or {}))
    )


def _id(message: dict[str, Any]) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise Close(4400, "An operation has a non-empty string as its id")
    return operation_id
