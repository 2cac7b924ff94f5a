"""Which addresses a webhook may reach: public ones, and networks that the owner allows.

A webhook's address is chosen by whoever makes it, and asked from inside the network: without this
it would be a way to metadata services, databases and routers that trust whoever is inside.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

from app.webhooks.errors import WebhookRefusedError
from core.webhook_settings import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[..., Sequence[tuple[Any, Any, Any, Any, tuple[Any, ...]]]]

# Ways to write an IPv4 address inside an IPv6 one: NAT64, 6to4 and Teredo reach it from outside.
_EMBEDDING: Final = (
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("2001::/32"),
)


class AddressCheck:
    """Resolves names, and refuses those that lead inside. Thread-safe."""

    def __init__(
        self, allowed: Sequence[Network], *, resolve: Resolve = socket.getaddrinfo
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve

    def find(self, host: str, port: int, *, is_encrypted: bool) -> Address:
        """An address of the host that may be connected to, for exactly one connection.

        Every address that the name has must be allowed, or it is refused whole: else it could be
        tried until the right one comes up. Raises `WebhookRefusedError`.
        """
        try:
            found = self._resolve(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise WebhookRefusedError(f"{host!r} cannot be resolved: {error}") from error
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        for address in addresses:
            if not self._is_allowed(address, is_encrypted=is_encrypted):
                raise WebhookRefusedError(
                    f"{host!r} leads to {address}, which is no public address"
                    + ("" if is_encrypted else " that may be reached without https")
                    + "; CIMIENTO_WEBHOOKS__ALLOWED_NETWORKS allows others"
                )
        if not addresses:
            raise WebhookRefusedError(f"{host!r} has no address")
        return addresses[0]

    def _is_allowed(self, address: Address, *, is_encrypted: bool) -> bool:
        plain = _unwrapped(address)
        if any(plain.version == each.version and plain in each for each in self._allowed):
            return True
        return is_encrypted and is_public(plain)


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, for one host."""
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or any(address.version == each.version and address in each for each in _EMBEDDING)
    )


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for on this machine."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
