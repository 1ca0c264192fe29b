"""Client addresses, normalized for per-address limits."""

from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from django.http import HttpRequest

# The smallest network that a provider assigns to one customer.
IPV6_PREFIX_BITS = 64


def client_address(request: HttpRequest) -> str:
    """The normalized address of the client that sent a request."""
    return normalized_address(request.META.get("REMOTE_ADDR", ""))


def scope_address(scope: Mapping[str, Any]) -> str:
    """The normalized address of the client of an ASGI scope; empty without one."""
    host, _ = scope.get("client") or ("", 0)
    return normalized_address(host)


def normalized_address(address: str) -> str:
    """The address under which all limits count a client of ``address``.

    A client can use every IPv6 address of its /64 network, so the network's first address stands
    for all of them. IPv4-mapped IPv6 (``::ffff:192.0.2.1``) becomes the IPv4 address. Text that is
    not an address is returned unchanged.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), IPV6_PREFIX_BITS), strict=False).network_address)
