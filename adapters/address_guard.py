"""Which addresses a tenant's channel may lead to: none inside the operator's own network."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

PRIVATE = "The address leads into a private network."
_LOCAL_NAMES = ("localhost", ".localhost", ".local", ".internal", ".lan", ".home.arpa")


def refuse_private(url: str) -> None:
    """What the address itself says. Raises ValueError; names are looked up by `refuse_private_names`."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == _LOCAL_NAMES[0] or host.endswith(_LOCAL_NAMES[1:]) or _is_private(_literal(host)):
        raise ValueError(PRIVATE)


async def refuse_private_names(url: str) -> None:
    """The same for every address that the name stands for now. Raises ValueError, and OSError for no answer."""
    refuse_private(url)
    parts = urlsplit(url)
    if _literal(parts.hostname or "") is None:
        loop = asyncio.get_running_loop()
        for _, _, _, _, place in await loop.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM):
            if _is_private(_literal(str(place[0]))):
                raise ValueError(PRIVATE)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    inside = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return inside or found


def _is_private(address: IPv4Address | IPv6Address | None) -> bool:
    return address is not None and not address.is_global
