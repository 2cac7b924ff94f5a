"""Routes of signing in through an identity provider: there, and back again."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from app.access import is_secure
from app.api.common import TheServices
from app.api.session_cookie import set_cookie, visit_of
from app.people.errors import ProviderFailedError, SignInRefusedError
from app.people.provider_sign_in import ATTEMPT_LIFETIME_S, ProviderSignIn, Returned
from app.services import Services
from core.errors import NotFoundError
from core.settings import Settings

router = APIRouter(include_in_schema=False)

PROVIDER_PATH: Final = "/sign-in/provider"
Text = Annotated[str, Query(max_length=4096)]


@router.get(PROVIDER_PATH)
def begin(services: TheServices) -> Response:
    """Send the browser to the provider."""
    try:
        url, cookie = _sign_in(services).begin()
    except ProviderFailedError as error:
        return _back_to_sign_in(error.code)
    response = RedirectResponse(url, status_code=303)
    response.set_cookie(
        _cookie_name(services.settings),
        cookie,
        max_age=ATTEMPT_LIFETIME_S,
        path="/",
        secure=is_secure(services.settings),
        httponly=True,
        # lax: it has to be there when the provider sends the browser back
        samesite="lax",
    )
    return response


@router.get(f"{PROVIDER_PATH}/callback")
def finish(
    request: Request,
    services: TheServices,
    state: Text = "",
    code: Text = "",
    iss: Text | None = None,
    error: Text | None = None,
) -> Response:
    """Take the browser back and give it its session."""
    name = _cookie_name(services.settings)
    returned = Returned(state, code, iss, error)
    try:
        token = _sign_in(services).finish(
            returned, request.cookies.get(name, ""), visit_of(request)
        )
    except (SignInRefusedError, ProviderFailedError) as refused:
        response = _back_to_sign_in(refused.code)
    else:
        response = RedirectResponse("/", status_code=303)
        set_cookie(response, services, token)
    response.delete_cookie(
        name, path="/", secure=is_secure(services.settings), httponly=True, samesite="lax"
    )
    return response


def _sign_in(services: Services) -> ProviderSignIn:
    if services.provider is None:
        raise NotFoundError("nobody signs in through an identity provider here")
    return services.provider


def _back_to_sign_in(code: str) -> RedirectResponse:
    # a person is waiting in front of a browser: the page says what happened
    return RedirectResponse(f"/sign-in?problem={code}", status_code=303)


def _cookie_name(settings: Settings) -> str:
    return "__Host-cimiento-sign-in" if is_secure(settings) else "cimiento_sign_in"
