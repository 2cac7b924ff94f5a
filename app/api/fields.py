"""Kinds of fields that requests share. Refuses what no room should have to look at."""

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

COLLECTION_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_KEPT_CONTROLS: Final = frozenset("\n\t")


class Request(BaseModel):
    """A request body: unknown fields and wrong types are refused, not guessed at."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Reply(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True)


def _clean(value: str) -> str:
    """Without control characters but tabs and line ends, and without white space around it."""
    if value.isprintable():  # nearly always: then there is none
        return value.strip()
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        char for char in text if char in _KEPT_CONTROLS or unicodedata.category(char) != "Cc"
    ).strip()


def _filled(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


# Limits count characters as they were sent, as those of OpenAPI do: cleaning comes behind them.
CLEAN: Final = AfterValidator(_clean)
FILLED: Final = AfterValidator(_filled)

QuestionText = Annotated[str, StringConstraints(max_length=4000), CLEAN, FILLED]
ShortQuestion = Annotated[str, StringConstraints(max_length=200), CLEAN, FILLED]
Description = Annotated[str, StringConstraints(max_length=4000), CLEAN]
Title = Annotated[str, StringConstraints(min_length=1, max_length=120), CLEAN, FILLED]
# Versions, and what else is counted in rows: a larger one is none that PostgreSQL could hold.
MAX_NUMBER: Final = 2**31 - 1
CollectionName = Annotated[str, StringConstraints(pattern=COLLECTION_PATTERN)]
