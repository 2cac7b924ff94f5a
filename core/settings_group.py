"""What groups of settings have in common: frozen, and unknown keys are refused."""

from pydantic import BaseModel, ConfigDict


class SettingsGroup(BaseModel):
    """Settings that belong together, and share the beginning of their names."""

    model_config = ConfigDict(extra="forbid", frozen=True)
