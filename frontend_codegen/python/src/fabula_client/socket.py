"""graphql-transport-ws for one subscription."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from .errors import ConnectionLost, NotGraphQL

PROTOCOL: Final = Subprotocol("graphql-transport-ws")
ACK_WITHIN_S: Final = 10.0
PING_EVERY_S: Final = 10.0
PONG_WITHIN_S: Final = 5.0
"""A half-open connection never closes by itself: a ping without its pong ends it."""
MESSAGE_BYTES_MAX: Final = 16 * 2**20

Result = tuple[list[dict[str, Any]], dict[str, Any]]
"""(errors, data)."""


async def subscription(url: str, init: dict[str, str], payload: dict[str, Any]) -> AsyncGenerator[Result, None]:
    """Each result until the operation completes. Raises ConnectionLost when the connection ends before that.

    NotGraphQL when the server will not have a WebSocket here, such as one from a foreign origin.
    """
    try:
        async with connect(
            url, subprotocols=[PROTOCOL], ping_interval=PING_EVERY_S, ping_timeout=PONG_WITHIN_S,
            max_size=MESSAGE_BYTES_MAX,
        ) as connection:  # fmt: skip
            await _send(connection, type="connection_init", payload=init)
            async with asyncio.timeout(ACK_WITHIN_S):
                await _until(connection, "connection_ack")
            await _send(connection, type="subscribe", id="1", payload=payload)
            while True:
                message = await _until(connection, "next", "error", "complete")
                if message["type"] == "complete":
                    return
                if message["type"] == "error":
                    yield message["payload"], {}
                    return
                result = message["payload"]
                yield result.get("errors") or [], result.get("data") or {}
    except ConnectionClosed as error:
        code = error.rcvd.code if error.rcvd else None
        raise ConnectionLost(str(error), code) from error
    except InvalidStatus as error:
        if error.response.status_code < 500:
            raise NotGraphQL(error.response.status_code) from error
        raise ConnectionLost(str(error)) from error
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise ConnectionLost(str(error) or type(error).__name__) from error


async def _until(connection: ClientConnection, *types: str) -> dict[str, Any]:
    """The next message of one of these types; pings are answered meanwhile."""
    while True:
        message: dict[str, Any] = json.loads(await connection.recv())
        if message["type"] in types:
            return message
        if message["type"] == "ping":
            await _send(connection, type="pong")


async def _send(connection: ClientConnection, **message: Any) -> None:
    await connection.send(json.dumps(message))
