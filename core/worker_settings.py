"""Settings of the generation worker. Reads nothing."""

from pydantic import Field, SecretStr

from core.settings_group import SettingsGroup


class WorkerSettings(SettingsGroup):
    """The generation worker: an HTTP server over the engine."""

    host: str = Field(default="127.0.0.1", description="Address the worker listens on.")
    port: int = Field(default=8421, ge=1, le=65535, description="Port the worker listens on.")
    api_key: SecretStr | None = Field(
        default=None, description="Key that callers must send; by default none is asked for."
    )
    max_body_bytes: int = Field(
        default=4 * 1024**2, ge=1024, description="Largest request body that is read."
    )
    queue_timeout_s: float = Field(
        default=60.0, gt=0, description="Longest wait of a request for its turn."
    )
    first_token_timeout_s: float = Field(
        default=120.0, gt=0, description="Longest time from a request to its first token."
    )
    total_timeout_s: float = Field(
        default=600.0, gt=0, description="Longest time from a request to its last token."
    )
    send_timeout_s: float = Field(
        default=30.0, gt=0, description="How long a client may leave its reply unread."
    )
    drain_s: float = Field(
        default=30.0, ge=0, description="Time that running requests get to end at SIGTERM."
    )
