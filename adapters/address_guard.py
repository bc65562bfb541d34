"""Which addresses a tenant's word may lead to: none inside the operator's own network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_NAT64 = IPv6Network("64:ff9b::/96")
_REFUSED: tuple[IPv4Network | IPv6Network, ...] = (
    IPv6Network("64:ff9b:1::/48"),  # local translation to IPv4
    IPv6Network("fec0::/10"),  # site-local, as it once was
    IPv6Network("::ffff:0:0:0/96"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("168.63.129.16/32"),  # a cloud's host
)


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
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _REFUSED)


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
