"""The blob store that the settings name. Decides by the kind of its URL; reaches nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from core.blobs import BlobStore, FolderBlobStore
from core.errors import SettingsError
from core.settings import Settings

if TYPE_CHECKING:
    from pydantic import SecretStr

_URL_KEY: Final = "CIMIENTO_BLOBS__URL"
_DOCUMENTS: Final = "blobs"
_SEGMENTS: Final = "index"


def build_blobs(settings: Settings) -> BlobStore:
    """Where uploaded documents are. Raises `SettingsError` where an extra is not installed."""
    return _build(settings, _DOCUMENTS)


def build_published(settings: Settings) -> BlobStore | None:
    """Where every host takes index segments from; None where they are in the data folder alone."""
    return None if settings.blobs.url is None else _build(settings, _SEGMENTS)


def _build(settings: Settings, part: str) -> BlobStore:
    url = settings.blobs.url
    if url is None:
        return FolderBlobStore(settings.data_dir / part)
    return _BUILDERS[urlsplit(url).scheme](settings, url, part)


def _build_folder(_settings: Settings, url: str, part: str) -> BlobStore:
    folder = Path(unquote(urlsplit(url).path))
    try:
        return FolderBlobStore(folder / part, is_shared=True)
    except OSError as error:
        raise SettingsError(f"{_URL_KEY}: {folder} cannot be used: {error.strerror}") from error


def _build_s3(settings: Settings, url: str, part: str) -> BlobStore:
    try:
        from core.s3_blobs import S3BlobStore, S3Place  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{_URL_KEY} needs what the extra cimiento[s3] installs: {error.name} is not there"
        ) from error
    blobs, parts = settings.blobs, urlsplit(url)
    place = S3Place(
        bucket=parts.netloc,
        prefix="/".join(filter(None, (parts.path.strip("/"), part))),
        endpoint=blobs.endpoint,
        region=blobs.region,
        access_key=_told(blobs.access_key),
        secret_key=_told(blobs.secret_key),
        timeout_s=blobs.timeout_s,
    )
    return S3BlobStore(place, settings.data_dir / f"{part}-received")


def _told(secret: "SecretStr | None") -> str | None:
    return None if secret is None else secret.get_secret_value()


_BUILDERS: Final[Mapping[str, Callable[[Settings, str, str], BlobStore]]] = {
    "file": _build_folder,
    "s3": _build_s3,
}
