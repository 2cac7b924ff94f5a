"""Settings of the HTTP server."""

from pydantic import Field

from core.settings_group import SettingsGroup


class ServerSettings(SettingsGroup):
    """The HTTP server."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8420, ge=1, le=65535, description="Port to listen on.")
    processes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that answer at that address; with more than one, another holds the "
        "model.",
    )
    public_url: str | None = Field(
        default=None, description="Address people use, when it is not http://HOST:PORT."
    )
    max_upload_bytes: int = Field(
        default=256 * 1024 * 1024, ge=1, description="Largest document that is accepted."
    )
    session_days: int = Field(default=30, ge=1, description="How long a web sign-in lasts.")
    resume_s: float = Field(
        default=15.0,
        ge=0,
        description="How long an answer is written on after its last listener was lost, and its "
        "events are kept after its end.",
    )
    max_answers: int = Field(
        default=256,
        ge=1,
        description="Questions that one process answers or lets wait at a time; more are refused.",
    )
    drain_s: float = Field(
        default=20.0,
        ge=0,
        description="Time that answers and requests under way get to end at SIGTERM.",
    )
