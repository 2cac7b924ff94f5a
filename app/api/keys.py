"""Routes of API keys: one's own, and all of them for owners of the service."""

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.access import TheCaller, note
from app.api.common import TheServices, problems
from app.api.people_schemas import KeyMade, KeyNew, KeyOut, KeyPage
from app.errors import ForbiddenError
from app.people.credentials import DEFAULT_SCOPES, KeyLimits, NewKey
from core.access import OF_THE_SERVICE, Caller, Scope
from core.ids import PersonId
from core.tables import now

router = APIRouter(tags=["keys"])


@router.get("/v1/keys", summary="List keys", responses=problems())
def list_keys(services: TheServices, caller: TheCaller) -> KeyPage:
    """The caller's keys, the oldest first; all keys for an owner of the service."""
    tokens = services.doors.usage.today()
    found = services.credentials.list_keys(_whose(caller))
    return KeyPage(items=[KeyOut.of(each, tokens.get(each.id, 0)) for each in found])


@router.post("/v1/keys", summary="Make a key", status_code=201, responses=problems(404))
def create_key(request: Request, body: KeyNew, services: TheServices, caller: TheCaller) -> KeyMade:
    """Make a key. Its secret is in this response, and nowhere else ever again.

    It sees what its maker sees, while they see it, and within that what it was made for. A key
    cannot make keys.
    """
    scopes = DEFAULT_SCOPES if body.scopes is None else frozenset(body.scopes)
    _refuse_wide(body, scopes, caller)
    for name in body.collections or ():
        services.collections.get(name, caller.access)
    lifetime = body.expires_in_days and timedelta(days=body.expires_in_days)
    key, secret = services.credentials.create(
        NewKey(
            body.name,
            collections=body.collections,
            scopes=scopes,
            expires_at=now() + lifetime if lifetime else None,
            limits=KeyLimits(body.max_requests_per_minute, body.max_tokens_per_day),
            person_id=None if body.for_service else caller.person_id,
        )
    )
    note(request, target=key.id, name=key.name, scopes=list(key.scopes))
    return KeyMade(**KeyOut.of(key).model_dump(), key=secret)


@router.delete(
    "/v1/keys/{key_id}", summary="Revoke a key", status_code=204, responses=problems(404)
)
def revoke_key(key_id: str, services: TheServices, caller: TheCaller) -> Response:
    """Make a key worthless at once: one's own, or any for an owner of the service."""
    services.credentials.revoke_key(key_id, person_id=_whose(caller))
    return Response(status_code=204)


def _refuse_wide(body: KeyNew, scopes: frozenset[Scope], caller: Caller) -> None:
    of_the_service = scopes & OF_THE_SERVICE
    if (body.for_service or of_the_service) and not caller.owns_everything:
        raise ForbiddenError(
            "only owners of the service make keys of services, for people and for metrics"
        )
    if of_the_service and body.collections is not None:
        raise ForbiddenError("a key for people or metrics opens every collection")


def _whose(caller: Caller) -> PersonId | None:
    """None stands for everybody's, and is for owners."""
    if caller.owns_everything:
        return None
    return caller.person_id or PersonId("")
