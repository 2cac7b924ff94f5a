"""Routes of sharing: who has which role in a collection, for its owners."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.access import CallerAccess, note
from app.api.common import CollectionInPath, TheServices, problems
from app.api.people_schemas import GrantOut, GrantPage, GroupInPath, PersonInPath, RoleIn
from app.people.sharing import Holder
from app.services import Services
from core.access import Access, Role

router = APIRouter(tags=["people"])


@router.get("/v1/collections/{name}/access", summary="List who has access", responses=problems(404))
def list_grants(name: CollectionInPath, services: TheServices, access: CallerAccess) -> GrantPage:
    """People and groups with their roles. Owners of the service own every collection besides."""
    collection = services.collections.get(name, access)
    found = services.doors.sharing.list(collection.id)
    return GrantPage(items=[GrantOut.of(each) for each in found])


@router.put(
    "/v1/collections/{name}/access/people/{person}",
    summary="Share with somebody",
    status_code=204,
    responses=problems(404),
)
def share_with_person(
    request: Request,
    name: CollectionInPath,
    person: PersonInPath,
    body: RoleIn,
    services: TheServices,
    access: CallerAccess,
) -> Response:
    """Give somebody a role, in place of the one they had here. It counts from the next request."""
    note(request, role=body.role)
    return _share(services, access, name, Holder("person", person), Role(body.role))


@router.delete(
    "/v1/collections/{name}/access/people/{person}",
    summary="Stop sharing with somebody",
    status_code=204,
    responses=problems(404),
)
def unshare_with_person(
    name: CollectionInPath, person: PersonInPath, services: TheServices, access: CallerAccess
) -> Response:
    """Take somebody's role away; what a group gives them stays."""
    return _share(services, access, name, Holder("person", person), None)


@router.put(
    "/v1/collections/{name}/access/groups/{group}",
    summary="Share with a group",
    status_code=204,
    responses=problems(404),
)
def share_with_group(
    request: Request,
    name: CollectionInPath,
    group: GroupInPath,
    body: RoleIn,
    services: TheServices,
    access: CallerAccess,
) -> Response:
    """Give everybody in a group a role, those to come included."""
    note(request, role=body.role)
    return _share(services, access, name, Holder("group", group), Role(body.role))


@router.delete(
    "/v1/collections/{name}/access/groups/{group}",
    summary="Stop sharing with a group",
    status_code=204,
    responses=problems(404),
)
def unshare_with_group(
    name: CollectionInPath, group: GroupInPath, services: TheServices, access: CallerAccess
) -> Response:
    """Take a group's role away; what its members have by themselves stays."""
    return _share(services, access, name, Holder("group", group), None)


def _share(
    services: Services, access: Access, name: str, holder: Holder, role: Role | None
) -> Response:
    collection = services.collections.get(name, access)
    if role is None:
        services.doors.sharing.revoke(collection.id, holder)
    else:
        services.doors.sharing.grant(collection.id, holder, role)
    return Response(status_code=204)
