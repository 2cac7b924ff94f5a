"""A webhook leads out, or to networks that the owner allows; however its address is written."""

import ipaddress
from typing import Any

import pytest

from app.webhooks.addresses import AddressCheck, is_public
from app.webhooks.errors import WebhookRefusedError
from core.webhook_settings import networks_of

INSIDE = (
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),  # noqa: S104 - nothing is bound
    *("169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
    # IPv4 addresses written as IPv6 ones
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:0:1::1"),
)
PUBLIC = ("93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8")


class Names:
    """Resolves every name to what it is told, and counts how often it was asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.num_asked = 0

    def resolve(self, host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        self.num_asked += 1
        return [(None, None, None, "", (address, port)) for address in self.addresses]

    def check(self, allowed: str = "") -> AddressCheck:
        return AddressCheck(networks_of(allowed), resolve=self.resolve)


@pytest.mark.parametrize("address", INSIDE)
def test_nothing_inside_is_reached(address: str) -> None:
    with pytest.raises(WebhookRefusedError, match="ALLOWED_NETWORKS"):
        Names(address).check().find("hooks.example", 443, is_encrypted=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_reached_over_https_alone(address: str) -> None:
    check = Names(address).check()
    assert check.find("hooks.example", 443, is_encrypted=True) == ipaddress.ip_address(address)
    with pytest.raises(WebhookRefusedError, match="https"):
        check.find("hooks.example", 80, is_encrypted=False)


@pytest.mark.parametrize("order", [("8.8.8.8", "10.0.0.1"), ("10.0.0.1", "8.8.8.8")])
def test_a_name_that_also_leads_inside_is_refused(order: tuple[str, str]) -> None:
    with pytest.raises(WebhookRefusedError):
        Names(*order).check().find("rebinding.example", 443, is_encrypted=True)


def test_an_allowed_network_is_reached_and_no_other() -> None:
    allowed = "10.1.0.0/16, fd00::/8"
    for address in ("10.1.2.3", "fd00::5", "::ffff:10.1.2.3"):
        found = Names(address).check(allowed).find("inside", 80, is_encrypted=False)
        assert str(found) == str(ipaddress.ip_address(address))
    for address in ("10.2.0.1", "fe80::1"):
        with pytest.raises(WebhookRefusedError):
            Names(address).check(allowed).find("inside", 80, is_encrypted=False)


def test_a_name_is_resolved_once_for_a_connection() -> None:
    names = Names("8.8.8.8")
    names.check().find("hooks.example", 443, is_encrypted=True)
    assert names.num_asked == 1


def test_a_name_that_does_not_resolve_is_refused() -> None:
    def resolve(*_arguments: object, **_options: object) -> list[tuple[Any, ...]]:
        raise OSError("Name or service not known")

    with pytest.raises(WebhookRefusedError, match="resolved"):
        AddressCheck((), resolve=resolve).find("nowhere.example", 443, is_encrypted=True)


@pytest.mark.parametrize(
    "written", ["0x7f000001", "2130706433", "0177.0.0.1", "127.1", "localhost"]
)
def test_other_ways_to_write_a_loopback_address_lead_nowhere(written: str) -> None:
    # the system's own resolver reads them as it does for any program
    with pytest.raises(WebhookRefusedError):
        AddressCheck(()).find(written, 443, is_encrypted=True)


def test_public_is_what_the_internet_can_reach() -> None:
    assert all(is_public(ipaddress.ip_address(each)) for each in PUBLIC[:3])
