"""A TCP line to a server that can swallow answers: the server does what it is told, and nobody hears of it.

It can also go dead without a word, as behind a firewall that has forgotten the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self


class Line:
    """`async with Line(port) as line:` listens at `line.port` and leads to the port given, both on loopback."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._swallows = False
        self._dead: set[asyncio.StreamWriter] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    @contextlib.asynccontextmanager
    async def swallowing_answers(self) -> AsyncIterator[None]:
        """Meanwhile what clients say arrives, and what the server says does not; then every connection breaks."""
        self._swallows = True
        try:
            yield
        finally:
            self.cut()
            self._swallows = False

    def go_dead(self) -> None:
        """Nothing passes over the connections of now any more, and nobody is told; new ones are well."""
        self._dead |= self._writers

    def cut(self) -> None:
        """Every connection of now ends without a word of goodbye; the next may come."""
        for writer in self._writers:
            writer.transport.abort()

    async def _lead(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            to_client.transport.abort()
            return
        self._writers |= {to_client, to_server}
        try:
            await asyncio.gather(self._pass(client, to_server), self._pass(server, to_client, answers=True))
        finally:
            self._writers -= {to_client, to_server}
            to_client.transport.abort()
            to_server.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if not (answers and self._swallows) and sink not in self._dead:
                    sink.write(data)
                    await sink.drain()
        sink.transport.abort()
