"""Settings of signing in through an identity provider (OpenID Connect)."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from core.hosts import is_loopback
from core.settings_group import SettingsGroup


class OidcSettings(SettingsGroup):
    """Signing in through an identity provider."""

    issuer: str | None = Field(
        default=None,
        description="Address of the identity provider, as its discovery document names it; "
        "by default nobody signs in through one.",
    )
    client_id: str | None = Field(
        default=None, description="What the provider knows this service by."
    )
    client_secret: SecretStr | None = Field(
        default=None, description="Secret that the provider gave; none for a public client."
    )
    title: str = Field(
        default="Single sign-on", min_length=1, description="What the page of signing in calls it."
    )
    scopes: str = Field(
        default="openid email profile",
        pattern=r"^openid( \S+)*$",
        description="What the provider is asked to tell of people.",
    )
    sign_up: Literal["invited", "anybody"] = Field(
        default="invited",
        description="Who gets in: invited, whose address an owner has entered; or anybody that the "
        "provider knows, who then sees nothing until something is shared with them.",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.issuer is None:
            return self
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" and not (
            parts.scheme == "http" and is_loopback(parts.hostname or "")
        ):
            raise ValueError("issuer must be an https address")
        if self.client_id is None:
            raise ValueError("issuer needs client_id")
        return self
