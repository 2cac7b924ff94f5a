"""Settings of the store that holds uploaded documents, and index segments for other hosts."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from core.settings_group import SettingsGroup


class BlobSettings(SettingsGroup):
    """Where uploaded documents are kept."""

    url: str | None = Field(
        default=None,
        pattern=r"^(s3://[a-z0-9][a-z0-9.-]*(/[\w./=-]*)?|file:///.*)$",
        description="Where uploaded documents are kept, and the segments of the index for every "
        "host: s3://BUCKET/PREFIX, which needs cimiento[s3], or file:///FOLDER on a disk that all "
        "share. By default both are in the data folder, for one host or a shared one.",
    )
    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@/?#]+/?$",
        description="Address of a server that speaks S3, such as https://s3.example.org; by "
        "default that of AWS.",
    )
    region: str | None = Field(
        default=None, description="Region of the bucket; by default that of AWS_REGION."
    )
    access_key: SecretStr | None = Field(
        default=None,
        description="Id of the key for S3; by default what AWS's own variables, files of a pod or "
        "the machine's role say.",
    )
    secret_key: SecretStr | None = Field(
        default=None, description="Secret of CIMIENTO_BLOBS__ACCESS_KEY."
    )
    timeout_s: float = Field(
        default=30.0,
        gt=0,
        description="Longest silence of S3, and longest time for sending one part of 8 MiB.",
    )

    @model_validator(mode="after")
    def _has_both_keys(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key go together")
        return self
