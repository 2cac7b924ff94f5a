"""Settings of what operators watch: the log and traces."""

from typing import Literal

from pydantic import Field

from core.settings_group import SettingsGroup


class LogSettings(SettingsGroup):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is written."
    )
    json_lines: bool = Field(default=False, description="One JSON object a line, for machines.")


class TracingSettings(SettingsGroup):
    """Traces of requests and answers."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="Where traces are sent, by OTLP over HTTP, such as "
        "http://127.0.0.1:4318/v1/traces; needs cimiento[otel]. By default nowhere.",
    )
