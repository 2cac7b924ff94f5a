"""Names of hosts, as servers check them. Resolves nothing."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str | None:
    """The name in a Host header, without its port; None where there is none."""
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None
