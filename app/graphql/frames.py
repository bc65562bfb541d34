"""WebSocket messages on their way out: many frames in one write.

A thousand streams of fifty tokens a second are fifty thousand messages. Each stays a message and a frame of its
own; but those of one turn of the event loop leave together, and are framed without a walk through the layers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION = "fabula.frames"
"""The ASGI extension of a server that takes frames: `write(bytes)`, and `writable`, an asyncio.Event."""


class FramedProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which also takes frames that are ready to be written."""

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = {"write": self.write_frames, "writable": self.writable}
        await super().run_asgi()

    def write_frames(self, frames: bytes) -> None:
        """Write whole text frames. Nothing follows a close frame, and a lost client needs nothing any more."""
        if self.handshake_complete and not (self.close_sent or self.disconnected or self.transport.is_closing()):
            self.transport.write(frames)


class Outlet(Protocol):
    """Where a connection's messages leave, in the order in which they are sent."""

    async def send(self, messages: Sequence[bytes]) -> None:
        """Send UTF-8 texts, one message each. Waits while the client reads too slowly."""
        ...

    def flush(self) -> None:
        """Let what was sent leave now."""
        ...


class FramedOutlet:
    """For a server with the extension: what is sent in one turn of the event loop leaves in one write."""

    def __init__(self, write: Callable[[bytes], None], writable: asyncio.Event) -> None:
        self._write = write
        self._writable = writable
        self._frames: list[bytes] = []

    async def send(self, messages: Sequence[bytes]) -> None:
        if not self._writable.is_set():
            await self._writable.wait()
        if not self._frames:
            asyncio.get_running_loop().call_soon(self.flush)
        for message in messages:
            self._frames += (head(len(message)), message)

    def flush(self) -> None:
        if self._frames:
            frames, self._frames = b"".join(self._frames), []
            self._write(frames)


class PlainOutlet:
    """For any other ASGI server."""

    def __init__(self, ws: WebSocket) -> None:
        self._ws = ws

    async def send(self, messages: Sequence[bytes]) -> None:
        for message in messages:
            await self._ws.send_text(message.decode())

    def flush(self) -> None:
        pass


def outlet_of(ws: WebSocket) -> Outlet:
    offered = ws.scope.get("extensions", {}).get(EXTENSION)
    return PlainOutlet(ws) if offered is None else FramedOutlet(**offered)


def head(length: int) -> bytes:
    """The head of a server's text frame of so many bytes: final, unmasked (RFC 6455, 5.2)."""
    if length < 126:
        return bytes((0x81, length))
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")
