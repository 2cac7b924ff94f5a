"""What comes in with an upload, checked: the name, the metadata, the answer. Pure."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

from core.ids import CollectionId, DocumentId, VersionId
from ingestion.errors import BadMetadataError, BadNameError

# PDF takes 127 bytes, Office 255 characters
MAX_PASSWORD_CHARS: Final = 255
_MAX_NAME_CHARS: Final = 255
_MAX_PATH_CHARS: Final = 512
_MAX_METADATA_CHARS: Final = 16 * 1024
_MAX_NUMBER: Final = 1e300
# PostgreSQL keeps them in JSON, and fails at every comparison with one.
_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")
_NAMELESS: Final = "document"
# Direction marks and overrides: with them "fdp.exe" reads as "exe.pdf".
_DIRECTION: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class OnConflict(StrEnum):
    """What happens to new bytes under a name that is taken."""

    REPLACE = "replace"
    VERSION = "version"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was received. `media_type` is what its bytes are, not what was claimed.

    `password` opens the file; it is kept beside the open job and nowhere else.
    """

    collection_id: CollectionId
    name: str
    media_type: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    on_conflict: OnConflict = OnConflict.REPLACE
    # The synchronised folder it comes from. The name is then a path relative to that folder, and a
    # document that came from anywhere else is left as it is.
    origin: str | None = None
    # The name is a path below some folder, as it always is with an origin.
    is_path: bool = False
    # Whoever sends it, by any name: what one sends to a collection waits behind itself only.
    uploader: str = ""
    # The version that it was attached to. The name then begins with that of its document.
    parent_id: VersionId | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An upload that is safe on disk. When `deduplicated`, nothing was new and no job was made.

    `skipped` is set when an existing document of other bytes was left as it is, because of
    `on_conflict=skip` or because it has another origin; the other fields then describe it.
    """

    document_id: DocumentId
    version_id: VersionId
    number: int
    sha256: str
    num_bytes: int
    media_type: str
    deduplicated: bool
    skipped: bool
    job_id: VersionId
    attempt: int
    turn: int


def clean_name(name: str) -> str:
    """A file name fit to show: the last part of a path, no controls, at most 255 characters."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    last = _DIRECTION.sub("", unicodedata.normalize("NFC", last))
    last = "".join(" " if char.isspace() else char for char in last if _is_visible(char)).strip()
    if not last.strip("."):
        return _NAMELESS
    if len(last) <= _MAX_NAME_CHARS:
        return last
    suffix = PurePosixPath(last).suffix[:16]
    return last[: _MAX_NAME_CHARS - len(suffix)] + suffix


def clean_relative_path(path: str) -> str:
    """A path fit to be a document's name: every part as `clean_name` leaves it.

    Raises `BadNameError` where the path leads out of its folder or is too long.
    """
    parts = path.split("/")
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise BadNameError(f"{path!r} is no path inside a folder")
    cleaned = "/".join(clean_name(part) for part in parts)
    if len(cleaned) > _MAX_PATH_CHARS:
        raise BadNameError(f"the path has {len(cleaned)} characters, {_MAX_PATH_CHARS} at most")
    return cleaned


def read_metadata(source: str | None) -> dict[str, object]:
    """The metadata that came with an upload. Raises `BadMetadataError` unless a JSON object."""
    if not source:
        return {}
    if len(source) > _MAX_METADATA_CHARS:
        raise BadMetadataError(f"metadata is longer than {_MAX_METADATA_CHARS} characters")
    try:
        value = json.loads(
            source,
            parse_constant=_refuse_constant,
            parse_int=lambda digits: _not_huge(int(digits)),
            parse_float=lambda digits: _not_huge(float(digits)),
        )
    except (ValueError, RecursionError) as error:
        raise BadMetadataError(f"metadata is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadMetadataError("metadata must be a JSON object")
    if any(_UNWRITABLE.search(text) for text in _texts_in(value)):
        raise BadMetadataError("metadata holds U+0000 or half of a surrogate pair")
    return value


def _is_visible(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) not in ("Cc", "Cs", "Cn")


def _texts_in(value: object) -> Iterator[str]:
    # a list and no recursion: it may be nested as deeply as it is long
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, dict):
            waiting += each
            waiting += each.values()


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _not_huge(number: float) -> float:
    # a filter compares numbers as doubles, and PostgreSQL fails at what is none
    if abs(number) >= _MAX_NUMBER:
        raise ValueError(f"a number is {_MAX_NUMBER:g} or more")
    return number
