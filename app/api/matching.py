"""`If-Match`: a thing is changed only while it is what its caller saw; else nothing is done."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Header
from pydantic import BaseModel

from app.conditional import IF_MATCH, is_known, tag_of_body
from app.errors import ChangedMeanwhileError

T = TypeVar("T")

IfMatch = Annotated[
    str | None,
    Header(
        alias=IF_MATCH,
        max_length=1024,
        description="The `ETag` that it was read with: where it has changed since, nothing is "
        "done, and the reply is 412. Without it, it is changed whatever it has become.",
        examples=['"6f1ed002ab5595859014ebf0951522d9"'],
    ),
]


def matching(named: str | None, show: Callable[[T], BaseModel]) -> Callable[[T], None] | None:
    """What looks at a thing before it is changed, in the transaction that changes it.

    show: as `GET` shows it. None where the caller named no tag; what is returned raises
    `ChangedMeanwhileError`.
    """
    if named is None:
        return None

    def check(found: T) -> None:
        tag = tag_of_body(show(found).model_dump_json(by_alias=True).encode())
        if not is_known(tag, named):
            raise ChangedMeanwhileError("it has changed since it was read; read it again")

    return check
