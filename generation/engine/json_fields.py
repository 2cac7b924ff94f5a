"""Typed fields of a model's JSON files. Refuses what is no object, and fields of another type."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

from generation.engine.errors import WeightsFileError

T = TypeVar("T", int, float, str, bool)

# the largest in use, an index of shards, has a few megabytes; tokenizer.json is read elsewhere
MAX_JSON_BYTES: Final = 64 << 20


class JsonFields:
    """An object of a JSON file. null counts as absent, as in the files' own readers."""

    def __init__(self, values: Mapping[str, object], *, name: str) -> None:
        self.name = name
        self._values = {key: value for key, value in values.items() if value is not None}

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def keys(self) -> list[str]:
        return list(self._values)

    def is_equal(self, key: str, value: object) -> bool:
        return self._values.get(key) == value

    def is_list(self, key: str) -> bool:
        return isinstance(self._values.get(key), list)

    def is_object(self, key: str) -> bool:
        return isinstance(self._values.get(key), dict)

    def get_int(self, key: str, *, default: int | None = None) -> int:
        return self._get(key, int, default)

    def get_float(self, key: str, *, default: float | None = None) -> float:
        value = self._values.get(key)
        if type(value) is int:
            return self._as_float(key, value)
        return self._get(key, float, default)

    def get_str(self, key: str, *, default: str | None = None) -> str:
        return self._get(key, str, default)

    def get_bool(self, key: str, *, default: bool | None = None) -> bool:
        return self._get(key, bool, default)

    def get_object(self, key: str) -> "JsonFields":
        """The object under `key`; an empty one where there is none."""
        value = self._values.get(key, {})
        if not isinstance(value, dict):
            raise self._mistyped(key, value, "object")
        return JsonFields(value, name=f"{self.name}: {key}")

    def get_strings(self, key: str) -> list[str]:
        return self._get_list(key, str)

    def get_ints(self, key: str) -> list[int]:
        """A list of numbers; one number alone is a list of one."""
        value = self._values.get(key)
        return [value] if type(value) is int else self._get_list(key, int)

    def get_objects(self, key: str) -> "list[JsonFields]":
        return [JsonFields(item, name=f"{self.name}: {key}") for item in self._get_list(key, dict)]

    def _get(self, key: str, kind: type[T], default: T | None) -> T:
        value = self._values.get(key, default)
        if value is None:
            raise WeightsFileError(f"{self.name} has no {key!r}")
        if type(value) is not kind:
            raise self._mistyped(key, value, kind.__name__)
        return value

    def _get_list(self, key: str, kind: type) -> list:  # type: ignore[type-arg]  # its items are checked
        value = self._values.get(key, [])
        if not isinstance(value, list):
            raise self._mistyped(key, value, "list")
        for item in value:
            if type(item) is not kind:
                raise self._mistyped(key, item, f"list of {kind.__name__}")
        return value

    def _as_float(self, key: str, value: int) -> float:
        try:
            return float(value)
        except OverflowError as error:
            raise WeightsFileError(f"{self.name}: {key!r} is too large a number") from error

    def _mistyped(self, key: str, value: object, expected: str) -> WeightsFileError:
        found = type(value).__name__
        return WeightsFileError(f"{self.name}: {key!r} is {found}, expected {expected}")


def load_json(path: Path) -> JsonFields:
    """Raises WeightsFileError where the file is missing, oversized or no JSON object."""
    try:
        if (size := path.stat().st_size) > MAX_JSON_BYTES:
            raise WeightsFileError(f"{path.name} has {size} bytes; at most {MAX_JSON_BYTES}")
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise WeightsFileError(
            f"{path.parent.name} has no readable {path.name}: {error.strerror}"
        ) from error
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested without end
        raise WeightsFileError(f"{path.name} is no JSON: {error}; fetch it again") from error
    if not isinstance(values, dict):
        raise WeightsFileError(f"{path.name} holds {type(values).__name__}, expected an object")
    return JsonFields(values, name=path.name)
