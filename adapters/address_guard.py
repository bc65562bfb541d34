"""Which addresses a tenant's word may lead to: none inside the operator's own network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from domain.generation.provider import (
    CompletionRequest,
    ProviderError,
    ProviderErrorCode,
    ProviderEvent,
    TextProvider,
)

_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_NAT64 = IPv6Network("64:ff9b::/96")


class NotPublic(ValueError):
    """A name leads to this machine, to a private network, or nowhere that a stranger could be."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet's. An IPv4 address inside an IPv6 one counts as itself."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def refuse_private(url: str) -> None:
    """What an address says of itself. Raises NotPublic; where its name leads is looked at when it is called."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(_LOCAL_NAMES) or not _looks_public(host):
        raise NotPublic("The address leads into a private network.")


def _looks_public(host: str) -> bool:
    try:
        return is_public(host)
    except ValueError:
        return True  # a name


class PublicProvider:
    """A provider whose name must lead to public addresses at every call. Implements TextProvider."""

    def __init__(self, provider: TextProvider, url: str) -> None:
        self._provider = provider
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        await self._look()
        async with aclosing(self._provider.stream(request)) as events:
            async for event in events:
                yield event

    async def aclose(self) -> None:
        await self._provider.aclose()

    async def _look(self) -> None:
        unreachable = ProviderErrorCode.UNREACHABLE
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, proto=6)
        except OSError as error:
            message = "The model's server cannot be found."
            raise ProviderError(unreachable, message, detail=f"{self._host}: {error}") from None
        if not all(is_public(str(one[4][0])) for one in found):
            message = "The model's server is not on the open internet."
            raise ProviderError(unreachable, message, detail=f"{self._host} leads to an address that is not public")
