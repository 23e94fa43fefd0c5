"""Which addresses may be fetched from: the classes of RFCs and clouds, and every form in which one carries another."""

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
    "fd00:ec2::254%lo",
    "fd00:ec2::23",
    "fd20:ce::254",
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
def test_non_public_addresses(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", [*PRIVATE, "8.8.8.8", "::ffff:127.0.0.1", "fd12::1%lo", "64:ff9b::808:808", "64:ff9b:1::808:808"]
)
def test_private_addresses_are_unicast(address: str) -> None:
    assert is_unicast(ip_address(address))


FORMS = {
    "mapped": "::ffff:{0}",
    "mapped, with a zone": "::ffff:{0}%lo",
    "compatible": "::{0}",
    "NAT64": "64:ff9b::{0}",
    "NAT64 of the local network, 96 bits": "64:ff9b:1:2:3::{0}",
    "ISATAP": "fd12::5efe:{0}",
    "a network's own NAT64": "2a00:1450::{0}",
}


@pytest.mark.parametrize("metadata", ["169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_carried_metadata_addresses(form: str, metadata: str) -> None:
    address = ip_address(form.format(metadata))
    assert not is_unicast(address)
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "2002:a9fe:a9fe::1",  # 6to4
        "2001:0:a9fe:a9fe::1",  # Teredo, its server
        "2001:0:102:304::5601:5601",  # Teredo, its client, whose bits are turned over
        # RFC 6052's prefixes of 32, 40, 48, 56 and 64 bits
        "64:ff9b:a9fe:a9fe::",
        "2a00:1450:a9:fea9:fe::",
        "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1:a9:fe:a9fe::",
        "64:ff9b:1:2:a9:fea9:fe00::",
    ],
)
def test_metadata_addresses_cut_in_pieces(address: str) -> None:
    assert not is_unicast(ip_address(address))


@pytest.mark.parametrize("address", [*METADATA, *NO_MACHINE])
def test_metadata_addresses(address: str) -> None:
    assert not is_unicast(ip_address(address))
