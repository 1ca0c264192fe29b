"""Client addresses as limits count them."""

from ipaddress import IPv6Address, IPv6Network, ip_address

# The smallest network that a provider gives to one customer.
IPV6_PREFIX_BITS = 64


def counted_address(address: str) -> str:
    """The address under which all limits count a client of ``address``.

    An IPv6 client can use every address of its /64 network, so the first address of that network
    stands for all of them. IPv4 written as IPv6 (``::ffff:192.0.2.1``) is the IPv4 address. Any
    other text, such as the empty one of a client that has disconnected, is returned unchanged.
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
