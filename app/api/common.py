"""What every router needs: the services, and the problems that OpenAPI announces."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Protocol, TypeVar

from fastapi import Depends, Path, Query, Request

from app.api.fields import COLLECTION_PATTERN
from app.draining import Draining
from app.job_watch import JobWatch
from app.live_answers import LiveAnswers
from app.problem_shapes import PROBLEM_TYPE
from app.services import Services

PAGE_SIZE: Final = 100


class Listed(Protocol):
    """What lists are made of: the id of the last one is the cursor of the next page."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


Item = TypeVar("Item", bound=Listed)


# asynchronous, as all that only looks something up: FastAPI sends others through a thread each
async def get_services(request: Request) -> Services:
    """The services of this application."""
    services: Services = request.app.state.services
    return services


async def get_live(request: Request) -> LiveAnswers:
    """The answers that are being written."""
    live: LiveAnswers = request.app.state.live
    return live


async def get_draining(request: Request) -> Draining:
    """Whether the service is shutting down."""
    draining: Draining = request.app.state.draining
    return draining


async def get_watch(request: Request) -> JobWatch:
    """What looks at the jobs that are followed."""
    watch: JobWatch = request.app.state.watch
    return watch


TheServices = Annotated[Services, Depends(get_services)]
TheLive = Annotated[LiveAnswers, Depends(get_live)]
TheWatch = Annotated[JobWatch, Depends(get_watch)]
TheDraining = Annotated[Draining, Depends(get_draining)]
CollectionInPath = Annotated[
    str, Path(alias="name", pattern=COLLECTION_PATTERN, examples=["default"])
]
Cursor = Annotated[str | None, Query(max_length=64, description="next_cursor of the last page.")]

SENTENCES: Final = {
    401: "No valid key or session came with the request.",
    403: "The caller may not do this, or a browser sent it on behalf of another site.",
    404: "There is no such thing, or the caller may not see it.",
    409: "The present state does not allow it.",
    412: "It has changed since it was read with the `ETag` that `If-Match` names.",
    413: "The body is too large.",
    421: "The request names a host that this server does not answer for.",
    415: "The document is of a kind that cannot be read.",
    422: "A field of the request is at fault.",
    429: "Too many requests, or the tokens of the day are spent; `Retry-After` says when to go on.",
    500: "A bug, or damaged data; the log has the details.",
    503: "A part of the service is not ready.",
    507: "There is no room left for the document.",
}


def find_page(find: Callable[..., Sequence[Item]]) -> tuple[Sequence[Item], str | None]:
    """A page of what `find` finds with a `limit`, and the cursor of the next one, if any."""
    found = find(limit=PAGE_SIZE + 1)
    page = found[:PAGE_SIZE]
    return page, page[-1].id if len(found) > PAGE_SIZE else None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for OpenAPI; those that every route can have are added."""
    return {
        status: {
            "description": SENTENCES[status],
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({401, 403, 422, 429, 500, *statuses})
    }
