"""Routes of collections."""

from fastapi import APIRouter, Request

from app.access import CallerAccess, note
from app.api.common import CollectionInPath, TheServices, problems
from app.api.matching import IfMatch, matching
from app.api.schemas import (
    CollectionChange,
    CollectionNew,
    CollectionOut,
    CollectionPage,
    ConfidenceOut,
    PurgedOut,
)

router = APIRouter(tags=["collections"])


@router.post(
    "/v1/collections", status_code=201, summary="Make a collection", responses=problems(409)
)
def create_collection(
    request: Request, body: CollectionNew, services: TheServices
) -> CollectionOut:
    """Make a collection. Its name is part of addresses and never changes.

    For owners of the service and keys to everything: others could not see the new one, and a name
    that is taken would tell them of another's.
    """
    note(request, collection=body.name)
    return CollectionOut.of(
        services.collections.create(
            body.name,
            description=body.description,
            language=body.language,
            settings=body.settings.model_dump(exclude_none=True),
        )
    )


@router.get("/v1/collections", summary="List collections", responses=problems())
def list_collections(services: TheServices, access: CallerAccess) -> CollectionPage:
    """The collections that the caller may see, by name. `default` always exists."""
    found = services.collections.list(access)
    return CollectionPage(items=[CollectionOut.of(item) for item in found])


@router.get("/v1/collections/{name}", summary="Show a collection", responses=problems(404))
def get_collection(
    name: CollectionInPath, services: TheServices, access: CallerAccess
) -> CollectionOut:
    """One collection."""
    return CollectionOut.of(services.collections.get(name, access))


@router.get(
    "/v1/collections/{name}/confidence",
    summary="Show when a collection's answers are refused",
    responses=problems(404),
)
def get_confidence(
    name: CollectionInPath, services: TheServices, access: CallerAccess
) -> ConfidenceOut:
    """From which confidence on this collection, asked alone, is answered from."""
    found = services.calibrations.find(services.collections.get(name, access).id)
    if found is None:
        usual = services.settings.generation.min_confidence
        return ConfidenceOut(min_confidence=usual, num_questions=None)
    return ConfidenceOut(min_confidence=found.min_confidence, num_questions=found.num_questions)


@router.patch("/v1/collections/{name}", summary="Change a collection", responses=problems(404, 412))
def change_collection(
    name: CollectionInPath,
    body: CollectionChange,
    services: TheServices,
    access: CallerAccess,
    if_match: IfMatch = None,
) -> CollectionOut:
    """Change description, language or settings; what is left out stays."""
    return CollectionOut.of(
        services.collections.update(
            name,
            access,
            description=body.description,
            language=body.language,
            settings=body.settings.model_dump(exclude_unset=True),
            check=matching(if_match, CollectionOut.of),
        )
    )


@router.delete(
    "/v1/collections/{name}", summary="Delete a collection", responses=problems(404, 409, 412)
)
def delete_collection(
    name: CollectionInPath,
    services: TheServices,
    access: CallerAccess,
    if_match: IfMatch = None,
) -> PurgedOut:
    """Delete a collection with all its documents: gone from every search at once."""
    purged = services.collections.delete(name, access, check=matching(if_match, CollectionOut.of))
    services.generator.forget_prefixes()
    return PurgedOut.of(purged)
