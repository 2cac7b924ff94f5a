"""Options of a command as fields of a dataclass: a command with many stays one to read."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Annotated, Any, Final, get_type_hints

import typer

PromptName = Annotated[
    str | None,
    typer.Option("--prompt", help="name or name@version; else the collection's or the default."),
]

_PARAMETER: Final = "options"


def takes_options(group: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command take every field of `group`, a dataclass, as an option of its own.

    The command gets them together, as its parameter `options`. A field is annotated as a
    parameter of a command would be, and has a default.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            chosen = {field.name: given.pop(field.name) for field in fields(group)}
            command(**given, options=group(**chosen))

        # what typer reads in place of the parameters above
        signature = _spread(inspect.signature(command), group)
        vars(run)["__signature__"] = signature
        run.__annotations__ = {
            name: parameter.annotation for name, parameter in signature.parameters.items()
        }
        return run

    return decorate


def _spread(signature: inspect.Signature, group: type[Any]) -> inspect.Signature:
    hints = get_type_hints(group, include_extras=True)
    spread = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        if name != _PARAMETER
    ]
    return signature.replace(parameters=[*own, *spread])
