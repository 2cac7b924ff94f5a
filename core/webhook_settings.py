"""Settings of webhooks."""

import ipaddress
from collections.abc import Sequence

from pydantic import Field, field_validator

from core.settings_group import SettingsGroup


class WebhookSettings(SettingsGroup):
    """What is sent to other services of itself."""

    allowed_networks: str | None = Field(
        default=None,
        description="Networks inside the organisation that webhooks may reach, such as "
        "10.1.0.0/16, with commas between them, also over http. By default none: only public "
        "addresses are.",
    )
    timeout_s: float = Field(
        default=15.0,
        gt=0,
        # a try must end within the time that a message is kept from others who deliver
        le=60,
        description="Longest time that a receiver may take, from the connection to its reply; "
        "60 at most.",
    )

    @field_validator("allowed_networks")
    @classmethod
    def _are_networks(cls, value: str | None) -> str | None:
        networks_of(value)
        return value


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks_of(value: str | None) -> Sequence[Network]:
    """The networks in a setting. Raises `ValueError`."""
    return [ipaddress.ip_network(each.strip()) for each in (value or "").split(",") if each.strip()]
