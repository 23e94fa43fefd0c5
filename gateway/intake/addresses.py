"""Which network addresses the gateway may fetch from, decided on addresses and never on their texts.

An IPv6 address may carry an IPv4 one that a gateway of its network connects to (mapped, NAT64, 6to4, Teredo, ISATAP):
whatever is refused as such is refused in each of these forms too. Zone ids (`fe80::1%eth0`) choose an interface of this
machine and take no part in the comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network

IPAddress = IPv4Address | IPv6Address

_METADATA = tuple(
    map(
        ip_network,
        (
            *("169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.0.23"),  # most clouds; AWS, Tencent
            *("168.63.129.16", "100.100.100.200", "192.0.0.192"),  # Azure, Alibaba, Oracle
            *("fd00:ec2::/32", "fd20:ce::254"),  # AWS, Google
        ),
    )
)
"""Where clouds hand out credentials. What is link-local is refused as a whole."""
_UNICAST = ip_network("2000::/3")
"""All IPv6 addresses that are given out (RFC 4291, IANA); the rest is private, reserved or a NAT64 prefix."""
_SPECIAL = tuple(map(ip_network, ("2001::/23", "2002::/16", "3fff::/20")))
"""Special prefixes inside it: Teredo and other protocols, 6to4, documentation."""

_COMPATIBLE = ip_network("::/96")
_NAT64 = ip_network("64:ff9b::/96")
_NAT64_LOCAL = ip_network("64:ff9b:1::/48")
"""RFC 6052, RFC 8215. What the second carries stands where its operator chose to put it."""
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""Upper half of an interface's id, whose lower half is an IPv4 address (RFC 5214)."""
_TRANSLATED_SHIFTS = (56, 48, 40, 32, 24)
"""Lowest bit of an IPv4 address behind a translator's prefix of 32, 40, 48, 56 and 64 bits (RFC 6052, section 2.2), in
an IPv6 address without its reserved byte, bits 64 to 71. Behind a prefix of 96 bits the last 32 are it."""


def is_public(address: IPAddress) -> bool:
    """Whether anyone on the internet could reach it: not private, loopback, CGNAT, multicast, mapped or reserved."""
    plain = _strip_zone(address)
    if _is_metadata(plain) or plain.is_multicast or plain.is_reserved or not plain.is_global:
        return False
    if isinstance(plain, IPv4Address):
        return True
    return plain in _UNICAST and not any(plain in net for net in _SPECIAL) and is_unicast(plain)


def is_unicast(address: IPAddress) -> bool:
    """Whether it names a machine, on whatever network, that is not a cloud's metadata service."""
    plain = _strip_zone(address)
    if not _is_machine(plain):
        return False
    if isinstance(plain, IPv4Address):
        return True
    if any(map(_is_metadata, _find_translated(plain))):
        return False
    return all(map(_is_machine, _find_carried(plain)))


def _is_machine(address: IPAddress) -> bool:
    return not (address.is_link_local or address.is_multicast or address.is_unspecified or _is_metadata(address))


def _is_metadata(address: IPAddress) -> bool:
    return any(address in net for net in _METADATA)


def _strip_zone(address: IPAddress) -> IPAddress:
    return IPv6Address(int(address)) if isinstance(address, IPv6Address) else address


def _find_carried(address: IPv6Address) -> Iterator[IPv4Address]:
    """IPv4 addresses that the form of the address says it stands for."""
    value = int(address)
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address in _NAT64 or (address in _COMPATIBLE and value > 1):  # ::1 is loopback
        yield _ipv4_at(value, 0)
    if address in _NAT64_LOCAL:
        yield from (hidden for hidden in _find_translated(address) if hidden.is_link_local)
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if (value >> 32) & 0xFFFFFFFF in _ISATAP:
        yield _ipv4_at(value, 0)


def _find_translated(address: IPv6Address) -> Iterator[IPv4Address]:
    """What the address would stand for behind a translator's prefix of any length: which prefixes are, its network
    alone knows."""
    value = int(address)
    yield _ipv4_at(value, 0)
    without_reserved = (value >> 64) << 56 | value & (1 << 56) - 1
    for shift in _TRANSLATED_SHIFTS:
        yield _ipv4_at(without_reserved, shift)


def _ipv4_at(value: int, shift: int) -> IPv4Address:
    return IPv4Address((value >> shift) & 0xFFFFFFFF)
