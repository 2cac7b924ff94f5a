"""Who is calling, and what they may see: one dependency for every route. Refuses strangers."""

import hashlib
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request

from app.credentials import Credentials
from app.errors import CrossOriginError, UnauthenticatedError
from app.services import Services
from core.access import Access, Caller
from core.settings import Settings

# Every route that answers strangers. A route that is not named here asks for credentials,
# whoever wrote it: the application applies `authenticate` to all of its routes.
PUBLIC_PATHS: Final = frozenset(
    {"/", "/static", "/sign-in", "/health/live", "/health/ready", "/openapi.json"}
)
_NAME_CHARS: Final = 12
# Answers are kept under the name of a session: no two may ever share one.
_SESSION_CHARS: Final = 32
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def authenticate(request: Request) -> Caller | None:
    """Who calls. None for the public routes only; raises `UnauthenticatedError` elsewhere."""
    if request.scope["route"].path in PUBLIC_PATHS:
        return None
    services: Services = request.app.state.services
    if "authorization" in request.headers:
        return _caller_of_key(request, services.credentials)
    return _caller_of_session(request, services)


def require_caller(caller: Annotated[Caller | None, Depends(authenticate)]) -> Caller:
    """Who calls, and what they may see."""
    if caller is None:
        raise UnauthenticatedError("this needs an API key or a signed-in browser")
    return caller


TheCaller = Annotated[Caller, Depends(require_caller)]


def require_access(caller: TheCaller) -> Access:
    """What the caller may see."""
    return caller.access


CallerAccess = Annotated[Access, Depends(require_access)]


def name_caller(request: Request) -> str:
    """A short name that tells one key or browser from another, and gives neither away."""
    services: Services = request.app.state.services
    cookie = request.cookies.get(cookie_name(services.settings), "")
    secret = request.headers.get("authorization", cookie)
    return hashlib.sha256(secret.encode()).hexdigest()[:_NAME_CHARS]


def cookie_name(settings: Settings) -> str:
    """Name of the session cookie. The prefix makes browsers insist on https and on one host."""
    return "__Host-cimiento" if is_secure(settings) else "cimiento_session"


def is_secure(settings: Settings) -> bool:
    """Whether people reach the service over https."""
    return settings.base_url.startswith("https://")


def _caller_of_key(request: Request, credentials: Credentials) -> Caller:
    scheme, _, secret = request.headers["authorization"].partition(" ")
    caller = credentials.caller_of_key(secret.strip()) if scheme.lower() == "bearer" else None
    if caller is None:
        raise UnauthenticatedError("the API key is not valid; send 'Authorization: Bearer KEY'")
    return caller


def _caller_of_session(request: Request, services: Services) -> Caller:
    token = request.cookies.get(cookie_name(services.settings))
    if token is None or not services.credentials.knows_session(token):
        raise UnauthenticatedError(
            "sign in with the link that 'cimiento serve' printed, "
            "or send 'Authorization: Bearer KEY'"
        )
    if request.method not in _SAFE_METHODS:
        _require_same_origin(request, services.settings)
    name = hashlib.sha256(token.encode()).hexdigest()[:_SESSION_CHARS]
    return Caller(f"session:{name}", Access.to_everything())


def _require_same_origin(request: Request, settings: Settings) -> None:
    """Refuse a change that a browser sends on behalf of another site."""
    site = request.headers.get("sec-fetch-site")
    if site == "same-origin":
        return
    if site is None and _origin_is_ours(request, settings):
        # no Sec-Fetch headers: an old browser, or plain http on a local network
        return
    raise CrossOriginError("a signed-in browser may change things from this site only")


def _origin_is_ours(request: Request, settings: Settings) -> bool:
    origin = request.headers.get("origin")
    if origin is None:
        return False
    ours = {request.headers.get("host"), urlsplit(settings.base_url).netloc}
    return urlsplit(origin).netloc in ours
