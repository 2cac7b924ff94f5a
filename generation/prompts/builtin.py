"""The templates that come with the service: one file a version, never changed once released."""

import re
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from core.errors import NotFoundError
from generation.prompts.source import read_template
from generation.prompts.template import PromptTemplate

DEFAULT_PROMPT: Final = "direct"
_FILE: Final = re.compile(r"(?P<name>[a-z0-9_]+)@(?P<version>[0-9]+)\.yaml")
_REFERENCE: Final = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9_-]{0,63})(?:@(?P<version>[1-9][0-9]{0,5}))?"
)


class PromptNotFoundError(NotFoundError):
    """No prompt template has this name, or not in this version."""

    code = "prompt_not_found"


def split_reference(reference: str) -> tuple[str, int | None]:
    """Name and version of `name` or `name@version`. Raises `PromptNotFoundError`."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise not_found(reference)
    version = match["version"]
    return match["name"], None if version is None else int(version)


def load_prompt(reference: str) -> PromptTemplate:
    """A built-in template by `name` or `name@version`. Raises `PromptNotFoundError`."""
    found = find_prompt(*split_reference(reference))
    if found is None:
        raise not_found(reference)
    return found


def find_prompt(name: str, version: int | None) -> PromptTemplate | None:
    """A built-in template, by default its newest version."""
    versions = builtin_prompts().get(name, {})
    return versions.get(max(versions, default=0) if version is None else version)


def not_found(reference: str) -> PromptNotFoundError:
    """The same words whether it is not there or not to be seen."""
    built_in = ", ".join(sorted(builtin_prompts()))
    return PromptNotFoundError(
        f"there is no prompt {reference!r}; built in: {built_in}; "
        "'cimiento prompts list' shows all of them"
    )


@cache
def builtin_prompts() -> MappingProxyType[str, dict[int, PromptTemplate]]:
    """Every built-in template, by name and version."""
    found: dict[str, dict[int, PromptTemplate]] = {}
    for name, version in sorted(_sources()):
        template = read_template(builtin_source(name, version), version=version)
        found.setdefault(name, {})[version] = template
    return MappingProxyType(found)


@cache
def builtin_source(name: str, version: int) -> str:
    """The file of a built-in template."""
    source = files(__package__).joinpath(f"{name}@{version}.yaml")
    return source.read_text(encoding="utf-8")


def _sources() -> list[tuple[str, int]]:
    names = (_FILE.fullmatch(item.name) for item in files(__package__).iterdir())
    return [(match["name"], int(match["version"])) for match in names if match]
