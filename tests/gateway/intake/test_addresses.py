from __future__ import annotations

from ipaddress import ip_address

import pytest

from gateway.intake.addresses import is_public, is_unicast

PRIVATE = [
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "127.255.0.9",
    "100.64.0.1",
    "::1",
    "fc00::1",
    "fd12::1",
]
METADATA = [
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
]
NO_MACHINE = ["0.0.0.0", "224.0.0.1", "239.1.2.3", "::", "ff02::1"]
RESERVED = [
    "0.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.9",
    "2001:db8::1",
    "fec0::1",
]
CARRYING = [
    "::ffff:8.8.8.8",
    "::ffff:127.0.0.1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001::1",
    "::7f00:1",
]


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", [*PRIVATE, *METADATA, *NO_MACHINE, *RESERVED, *CARRYING])
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", [*PRIVATE, "8.8.8.8", "::ffff:127.0.0.1"])
def test_closed_networks_may_be_allowed(address: str) -> None:
    assert is_unicast(ip_address(address))


@pytest.mark.parametrize(
    "address", [*METADATA, *NO_MACHINE, "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]
)
def test_metadata_services_are_never_allowed(address: str) -> None:
    assert not is_unicast(ip_address(address))
