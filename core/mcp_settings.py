"""Settings of `cimiento mcp`."""

from pydantic import Field, SecretStr

from core.settings_group import SettingsGroup


class McpSettings(SettingsGroup):
    """The MCP server on standard input and output."""

    url: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="Address of the running service that 'cimiento mcp' asks; by default where "
        "'cimiento serve' with the same settings is.",
    )
    key: SecretStr | None = Field(
        default=None, description="API key that 'cimiento mcp' asks it with."
    )
