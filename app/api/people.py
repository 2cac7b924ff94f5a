"""Routes of people and groups, for owners of the service."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.access import note
from app.api.common import TheServices, problems
from app.api.matching import IfMatch, matching
from app.api.people_schemas import (
    GroupInPath,
    GroupNew,
    GroupOut,
    GroupPage,
    InvitationOut,
    PersonInPath,
    PersonNew,
    PersonOut,
    PersonPage,
    PersonUpdate,
)
from app.people.accounts import Person, PersonChange
from app.people.sessions import INVITATION_LIFETIME
from app.services import Services
from core.tables import now

router = APIRouter(tags=["people"])


@router.get("/v1/people", summary="List people", responses=problems())
def list_people(services: TheServices) -> PersonPage:
    """Everybody who may sign in, by name."""
    return PersonPage(items=[PersonOut.of(each) for each in services.doors.people.list()])


@router.post("/v1/people", summary="Invite somebody", status_code=201, responses=problems(409))
def invite_person(request: Request, body: PersonNew, services: TheServices) -> InvitationOut:
    """Make an account, and a link by which its owner signs in and chooses a password.

    The account sees nothing until collections are shared with it.
    """
    person = services.doors.people.create(
        body.name,
        display_name=body.display_name,
        email=body.email,
        is_owner=body.is_owner,
    )
    note(request, target=person.name, person=person.id, is_owner=person.is_owner)
    return _invitation(services, person)


@router.get("/v1/people/{person}", summary="Show somebody", responses=problems(404))
def get_person(name: PersonInPath, services: TheServices) -> PersonOut:
    """One person."""
    return PersonOut.of(services.doors.people.get(name))


@router.patch("/v1/people/{person}", summary="Change somebody", responses=problems(404, 409, 412))
def change_person(
    request: Request,
    name: PersonInPath,
    body: PersonUpdate,
    services: TheServices,
    if_match: IfMatch = None,
) -> PersonOut:
    """Change what is given. Whoever is disabled is signed out, and their keys open nothing."""
    given = body.model_dump(exclude_none=True)
    person = services.doors.people.update(
        name, PersonChange(**given), check=matching(if_match, PersonOut.of)
    )
    note(request, person=person.id, changed=sorted(given))
    return PersonOut.of(person)


@router.delete(
    "/v1/people/{person}",
    summary="Delete somebody",
    status_code=204,
    responses=problems(404, 409, 412),
)
def delete_person(
    request: Request, name: PersonInPath, services: TheServices, if_match: IfMatch = None
) -> Response:
    """Delete an account with its keys, conversations and answers. Documents stay."""
    note(request, person=services.doors.people.get(name).id)
    services.doors.people.delete(name, check=matching(if_match, PersonOut.of))
    return Response(status_code=204)


@router.post("/v1/people/{person}/link", summary="Make a sign-in link", responses=problems(404))
def make_link(name: PersonInPath, services: TheServices) -> InvitationOut:
    """A link by which somebody signs in once and may choose a new password."""
    return _invitation(services, services.doors.people.get(name))


@router.delete(
    "/v1/people/{person}/sessions",
    summary="Sign somebody out",
    status_code=204,
    responses=problems(404),
)
def sign_person_out(name: PersonInPath, services: TheServices) -> Response:
    """End every session of a person, and every link that would open one."""
    services.doors.sessions.end_all(services.doors.people.get(name).id)
    return Response(status_code=204)


@router.get("/v1/groups", summary="List groups", responses=problems())
def list_groups(services: TheServices) -> GroupPage:
    """All groups with their members, by name."""
    return GroupPage(items=[GroupOut.of(each) for each in services.doors.groups.list()])


@router.post("/v1/groups", summary="Make a group", status_code=201, responses=problems(409))
def create_group(request: Request, body: GroupNew, services: TheServices) -> GroupOut:
    """Make a group of nobody yet."""
    note(request, target=body.name)
    return GroupOut.of(services.doors.groups.create(body.name))


@router.delete(
    "/v1/groups/{group}", summary="Delete a group", status_code=204, responses=problems(404)
)
def delete_group(name: GroupInPath, services: TheServices) -> Response:
    """Delete a group, and the access that it gave. Its members stay."""
    services.doors.groups.delete(name)
    return Response(status_code=204)


@router.put(
    "/v1/groups/{group}/members/{person}",
    summary="Put somebody into a group",
    status_code=204,
    responses=problems(404),
)
def add_member(group: GroupInPath, name: PersonInPath, services: TheServices) -> Response:
    """Let somebody in; they get the access of the group at once."""
    services.doors.groups.add_member(group, name)
    return Response(status_code=204)


@router.delete(
    "/v1/groups/{group}/members/{person}",
    summary="Take somebody out of a group",
    status_code=204,
    responses=problems(404),
)
def remove_member(group: GroupInPath, name: PersonInPath, services: TheServices) -> Response:
    """Let somebody out; they lose the access of the group at once."""
    services.doors.groups.remove_member(group, name)
    return Response(status_code=204)


def _invitation(services: Services, person: Person) -> InvitationOut:
    token = services.doors.sessions.create_link(person.id, lifetime=INVITATION_LIFETIME)
    return InvitationOut(
        person=PersonOut.of(person),
        link=f"{services.settings.base_url}/sign-in?token={token}",
        expires_at=now() + INVITATION_LIFETIME,
    )
