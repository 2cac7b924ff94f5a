"""Kinds of fields that requests share. Refuses what no room should have to look at."""

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

COLLECTION_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_KEPT_CONTROLS: Final = frozenset("\n\t")


class Request(BaseModel):
    """A request body: unknown fields and wrong types are refused, not guessed at."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Reply(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True)


def _without_controls(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        char for char in text if char in _KEPT_CONTROLS or unicodedata.category(char) != "Cc"
    )


def _filled(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


QuestionText = Annotated[
    str,
    BeforeValidator(_without_controls),
    StringConstraints(strip_whitespace=True, max_length=4000),
    AfterValidator(_filled),
]
CollectionName = Annotated[str, StringConstraints(pattern=COLLECTION_PATTERN)]
