"""Routes of signing in, and of oneself. Public are those alone that let somebody in."""

from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.access import TheCaller, refuse_other_sites
from app.api.common import TheServices, problems
from app.api.people_schemas import (
    CollectionRole,
    LinkSignIn,
    MeChange,
    MeOut,
    PasswordChange,
    PasswordSignIn,
    ProviderOut,
    SessionOut,
    SessionPage,
    SignInWays,
)
from app.api.provider import PROVIDER_PATH
from app.api.session_cookie import clear_cookie, read_cookie, set_cookie, visit_of
from app.people.accounts import PersonChange
from app.people.errors import PersonNotFoundError
from app.services import Services
from core.access import Caller, Role, Scope
from core.ids import PersonId

router = APIRouter(tags=["people"])


@router.get("/v1/sign-in", summary="How can one sign in?", responses=problems())
def get_sign_in_ways(services: TheServices) -> SignInWays:
    """What the page of signing in offers. Needs no key."""
    provider = services.provider
    offered = None
    if provider is not None:
        offered = ProviderOut(title=provider.title, url=PROVIDER_PATH)
    return SignInWays(password=True, provider=offered)


@router.post(
    "/v1/sign-in", summary="Sign in with a password", status_code=204, responses=problems()
)
def sign_in_with_password(
    request: Request, body: PasswordSignIn, services: TheServices
) -> Response:
    """Give the browser its session, as a cookie. Needs no key."""
    refuse_other_sites(request, services.settings)
    token = services.doors.sign_in.with_password(
        body.name, body.password.get_secret_value(), visit_of(request)
    )
    return _with_cookie(services, token)


@router.post(
    "/v1/sign-in/link", summary="Sign in with a link", status_code=204, responses=problems()
)
def sign_in_with_link(request: Request, body: LinkSignIn, services: TheServices) -> Response:
    """Use a one-time link up, choose a password where one is given, and sign in. Needs no key."""
    refuse_other_sites(request, services.settings)
    password = body.password.get_secret_value() if body.password else None
    token = services.doors.sign_in.with_link(
        token_in(body.token), visit_of(request), password=password
    )
    return _with_cookie(services, token)


@router.get("/v1/me", summary="Who am I?", responses=problems())
def get_me(services: TheServices, caller: TheCaller) -> MeOut:
    """Who the key or session belongs to, and what it may do."""
    person = None if caller.person_id is None else services.doors.people.get_by_id(caller.person_id)
    is_key = caller.name.startswith("key:")
    return MeOut(
        kind="key" if is_key else "person",
        name=caller.label,
        display_name="" if is_key or person is None else person.display_name,
        email=None if is_key or person is None else person.email,
        is_owner=caller.owns_everything and Scope.PEOPLE in caller.scopes,
        has_password=not is_key and person is not None and person.has_password,
        scopes=[each for each in Scope if each in caller.scopes],
        collections=_roles(services, caller),
    )


@router.patch("/v1/me", summary="Change oneself", responses=problems())
def change_me(body: MeChange, services: TheServices, caller: TheCaller) -> MeOut:
    """Change one's display name."""
    name = services.doors.people.get_by_id(_person_id(caller)).name
    services.doors.people.update(name, PersonChange(display_name=body.display_name))
    return get_me(services, caller)


@router.post(
    "/v1/me/password", summary="Change one's password", status_code=204, responses=problems()
)
def change_password(
    request: Request, body: PasswordChange, services: TheServices, caller: TheCaller
) -> Response:
    """Take another password. Every other session of the person ends, and so do links to them."""
    services.doors.sign_in.change_password(
        _person_id(caller),
        current=body.current.get_secret_value() if body.current else None,
        new=body.new.get_secret_value(),
        this=read_cookie(request, services),
    )
    return Response(status_code=204)


@router.get("/v1/me/sessions", summary="List one's sessions", responses=problems())
def list_sessions(request: Request, services: TheServices, caller: TheCaller) -> SessionPage:
    """The browsers that are signed in, the newest first."""
    found = services.doors.sessions.list(_person_id(caller), this=read_cookie(request, services))
    return SessionPage(items=[SessionOut.of(each) for each in found])


@router.delete(
    "/v1/me/sessions", summary="Sign out everywhere", status_code=204, responses=problems()
)
def end_sessions(services: TheServices, caller: TheCaller) -> Response:
    """End every session of the person, this one included."""
    services.doors.sessions.end_all(_person_id(caller))
    response = Response(status_code=204)
    clear_cookie(response, services)
    return response


def token_in(pasted: str) -> str:
    """The token of a link; people paste the whole link as well as its token."""
    found = parse_qs(urlsplit(pasted.strip()).query).get("token")
    return found[0] if found else pasted.strip()


def _with_cookie(services: Services, token: str) -> Response:
    response = Response(status_code=204)
    set_cookie(response, services, token)
    return response


def _person_id(caller: Caller) -> PersonId:
    if caller.person_id is None:
        raise PersonNotFoundError("no account belongs to this caller")
    return caller.person_id


def _roles(services: Services, caller: Caller) -> list[CollectionRole] | None:
    if caller.owns_everything:
        return None
    return [
        CollectionRole(name=each.name, role=caller.roles.get(each.id, Role.READER))
        for each in services.collections.list(caller.access)
    ]
