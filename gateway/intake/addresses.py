"""Which internet addresses the gateway may connect to on behalf of a client."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

IPAddress = IPv4Address | IPv6Address

_METADATA = frozenset({"168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"})
"""Where clouds hand out credentials, beside the link-local 169.254.169.254: Azure, Alibaba, Oracle, AWS by IPv6."""
_UNICAST = ip_network("2000::/3")
"""All IPv6 addresses that are given out (RFC 4291, IANA); the rest is private, reserved or a NAT64 prefix."""
_NAT64 = ip_network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address."""
_CARRIERS = tuple(map(ip_network, ("2001::/23", "2002::/16", "3fff::/20")))
"""Special prefixes inside it: Teredo and other protocols, 6to4 (both carry an IPv4 address), documentation."""


def is_public(address: IPAddress) -> bool:
    """Whether anyone on the internet could reach it: not private, loopback, CGNAT, multicast, mapped or reserved."""
    if str(address) in _METADATA or address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return address.version == 4 or (address in _UNICAST and not any(address in net for net in _CARRIERS))


def is_unicast(address: IPAddress) -> bool:
    """Whether it names a machine, on whatever network, that is not a cloud's metadata service."""
    plain = _embedded(address) or address
    refused = plain.is_link_local or plain.is_multicast or plain.is_unspecified or str(plain) in _METADATA
    return not refused


def _embedded(address: IPAddress) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if not isinstance(address, IPv6Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
