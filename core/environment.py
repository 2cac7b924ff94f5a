"""What the environment says of settings: which names there are, which values lie in files.

Knows no setting itself, and reads no environment but the one that it is given.
"""

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from pydantic_settings import BaseSettings, EnvSettingsSource

from core.errors import SettingsError

PREFIX: Final = "CIMIENTO_"
DELIMITER: Final = "__"
# as images of databases have it: a secret in a file is in no list of processes or of containers
IN_A_FILE: Final = "_FILE"
_MAX_BYTES: Final = 64 * 1024


class EnvironmentSource(EnvSettingsSource):
    """Settings from an environment, and from the files that it names: see `read_files`."""

    def __init__(
        self,
        settings: type[BaseSettings],
        environment: Mapping[str, str],
        known: Collection[str],
    ) -> None:
        super().__init__(settings)
        values = read_files(environment, known)
        self.env_vars = {name.lower(): value for name, value in values.items()}


def refuse_unknown(environment: Collection[str], known: Collection[str]) -> None:
    """Raise `SettingsError` for a name of ours that is none of `known`, alone or as a file.

    pydantic-settings looks up only the names it knows, so a misspelt one would be silently ignored
    and its default used instead.
    """
    for name in environment:
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or upper.removesuffix(IN_A_FILE) in known:
            continue
        close = difflib.get_close_matches(upper, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise SettingsError(f"{name} is not a setting of Cimiento{hint}")


def read_files(environment: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """The same environment, with `X` and the file's content in place of `X_FILE` and its path.

    Raises `SettingsError` where a file cannot be read or is empty, or where `X` is set as well.
    """
    values = {name.upper(): value for name, value in environment.items()}
    for name in sorted(values.keys() & {f"{each}{IN_A_FILE}" for each in known}):
        setting = name.removesuffix(IN_A_FILE)
        if setting in values:
            raise SettingsError(f"{name}: {setting} is set as well; set one of them")
        values[setting] = _read(name, Path(values.pop(name)))
    return values


def _read(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        value = content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: {path} cannot be read: {error}") from error
    if not value or len(content) > _MAX_BYTES:
        what = "is empty" if not value else f"has more than {_MAX_BYTES} bytes"
        raise SettingsError(f"{name}: {path} {what}")
    return value
