"""The network for addresses that a tenant has named: it leads to the open internet and nowhere else.

A name is looked up once, every address that it leads to is looked at, and the connection is made to one of those: a
name that leads elsewhere a moment later leads nowhere new.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import httpcore2

from adapters.address_guard import NotPublic, is_public

LOOKUPS_MAX = 16
"""At once. Names whose servers do not answer keep each other waiting, and nothing else in the process."""
LOOKUP_S = 5.0
_lookups = ThreadPoolExecutor(LOOKUPS_MAX, "look-up")


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to what a name leads to. Raises NotPublic unless any address will do.

    `core` is httpcore or httpcore2, whichever the pool is of: their errors are namesakes and no relations.
    """

    def __init__(self, *, any_address: bool = False, core: Any = httpcore2) -> None:
        self._any_address = any_address
        self._core = core
        self._network = core.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Any:  # fmt: skip
        addresses = await self._looked_up(host, port)
        if not self._any_address and not all(is_public(one) for one in addresses):
            raise NotPublic(f"{host} leads to an address that is not public")
        for last, address in enumerate(addresses, 1 - len(addresses)):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (self._core.ConnectError, self._core.ConnectTimeout):
                if last == 0:
                    raise
        raise NotPublic(f"{host} leads nowhere")

    async def _looked_up(self, host: str, port: int) -> list[str]:
        asked = asyncio.get_running_loop().run_in_executor(_lookups, _addresses, host, port)
        try:
            async with asyncio.timeout(LOOKUP_S):
                return await asked
        except TimeoutError:
            raise self._core.ConnectTimeout(f"{host} cannot be looked up within {LOOKUP_S:g} s") from None
        except (OSError, UnicodeError) as error:
            raise self._core.ConnectError(f"{host} cannot be looked up: {error}") from None


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def guarded_transport(httpx: Any, limits: Any, verify: Any) -> Any:
    """A transport for an `AsyncClient` of httpx or httpx2, without proxies; `verify` as such clients take it."""
    core: Any = import_module(httpx.__name__.replace("httpx", "httpcore"))
    transport = httpx.AsyncHTTPTransport(verify=verify, limits=limits, trust_env=False)
    # Neither library lets one choose the network of its transports' pools.
    if not isinstance(transport._pool, core.AsyncConnectionPool):
        raise TypeError("a transport has its connections elsewhere")
    transport._pool = core.AsyncConnectionPool(
        ssl_context=verify or None, max_connections=limits.max_connections,
        max_keepalive_connections=limits.max_keepalive_connections, keepalive_expiry=limits.keepalive_expiry,
        network_backend=GuardedNetwork(core=core),
    )  # fmt: skip
    return transport
