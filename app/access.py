"""Who is calling, and what they may: one guard for every route. Refuses strangers."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from anyio.to_thread import run_sync
from fastapi import Depends, Request

from app.conditional import IF_MATCH
from app.errors import (
    CrossOriginError,
    FieldFault,
    ForbiddenError,
    InvalidRequestError,
    UnauthenticatedError,
)
from app.people.audit import Deed
from app.people.credentials import KnownKey
from app.problem_shapes import SEEN_KEY
from app.rules import PUBLIC_PATHS, Rule, rule_of
from app.services import Services
from core.access import Access, Caller, Role
from core.ids import CollectionId, DocumentId, VersionId
from core.settings import Settings
from ingestion.collections import can_name_collection

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_TARGET_CHARS: Final = 512
_CALLER_KEY: Final = "cimiento.caller"


async def authenticate(request: Request) -> Caller | None:
    """Who calls. None for the public routes only; raises `UnauthenticatedError` elsewhere."""
    if request.scope["route"].path in PUBLIC_PATHS:
        return None
    services: Services = request.app.state.services
    if "authorization" not in request.headers:
        return await run_sync(_caller_of_session, request, services)
    known = services.credentials.find_kept_key(_secret_of(request))
    if known is None or known.limits.max_tokens_per_day is not None:
        # a thread, for it asks the database
        return await run_sync(_caller_of_key, request, services)
    return _within_limits(known, request, services)


async def guard(request: Request) -> AsyncIterator[None]:
    """Let the caller through to this route or refuse; keep what was done for the audit log.

    Of every route of the application, and before all else that a route depends on.

    Raises `ForbiddenError` for what a caller may see but not do, and what there is no such thing
    for whatever they may not see.
    """
    caller = await authenticate(request)
    if caller is None:
        yield
        return
    request.scope[_CALLER_KEY] = caller
    request.scope.get(SEEN_KEY, {})["caller"] = caller.name
    services: Services = request.app.state.services
    rule = rule_of(request.method, request.scope["route"].path)
    _admit(caller, rule, is_key="authorization" in request.headers)
    _refuse_unseen_condition(request)
    # Threads are for what asks the database; most requests read, and leave that to the read itself.
    if rule.role is not Role.READER:
        place = await run_sync(_find_place, services, request, caller)
        if not caller.may(rule.role, place):
            raise ForbiddenError(f"this takes the role {rule.role} in the collection")
    yield
    if rule.action is None:
        return
    deed = _deed(request, caller, rule.action)
    if rule.is_read:
        services.doors.audit.record_soon(deed)
    else:
        await run_sync(services.doors.audit.record, deed)


def note(
    request: Request, *, collection: str | None = None, target: str | None = None, **details: Any
) -> None:
    """Tell the audit log more of what a request did than its path says."""
    noted = request.scope.setdefault("cimiento.deed", {"details": {}})
    if collection is not None:
        noted["collection"] = collection
    if target is not None:
        noted["target"] = target[:_MAX_TARGET_CHARS]
    noted["details"] |= {key: value for key, value in details.items() if value is not None}


# Both read what the guard has found: FastAPI would look at all that they depended on once more for
# each request, though it calls none of it twice.
async def require_caller(request: Request) -> Caller:
    """Who calls, and what they may see. Raises `UnauthenticatedError` on a public route."""
    caller: Caller | None = request.scope.get(_CALLER_KEY)
    if caller is None:
        raise UnauthenticatedError("this needs an API key or a signed-in browser")
    return caller


async def require_access(request: Request) -> Access:
    """What the caller may see."""
    return (await require_caller(request)).access


TheCaller = Annotated[Caller, Depends(require_caller)]
CallerAccess = Annotated[Access, Depends(require_access)]


def cookie_name(settings: Settings) -> str:
    """Name of the session cookie. The prefix makes browsers insist on https and on one host."""
    return "__Host-cimiento" if is_secure(settings) else "cimiento_session"


def is_secure(settings: Settings) -> bool:
    """Whether people reach the service over https."""
    return settings.base_url.startswith("https://")


def refuse_other_sites(request: Request, settings: Settings) -> None:
    """Refuse what a browser sends on behalf of another site, where nobody is signed in yet.

    Else another site could sign its visitors in here under a name of its own, and read later what
    they asked. What is no browser says nothing of sites, and may come.
    """
    site = request.headers.get("sec-fetch-site")
    has_origin = "origin" in request.headers
    if site in ("same-origin", "none") or (site is None and not has_origin):
        return
    if site is not None or not _origin_is_ours(request, settings):
        raise CrossOriginError("sign in from this site's own page")


def _caller_of_key(request: Request, services: Services) -> Caller:
    known = services.credentials.find_key(_secret_of(request))
    if known is None:
        raise UnauthenticatedError("the API key is not valid; send 'Authorization: Bearer KEY'")
    return _within_limits(known, request, services)


def _secret_of(request: Request) -> str:
    """The key that was sent; empty, which is nobody's, where it is not sent as one."""
    scheme, _, secret = request.headers["authorization"].partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _within_limits(known: KnownKey, request: Request, services: Services) -> Caller:
    """Whose key it is. Raises `RateLimitedError` and `BudgetSpentError`."""
    limits, rule = known.limits, rule_of(request.method, request.scope["route"].path)
    if limits.max_requests_per_minute is not None:
        services.doors.throttle.count_request(known.caller.name, limits.max_requests_per_minute)
    if limits.max_tokens_per_day is not None and rule.costs:
        services.doors.usage.refuse_spent(known.caller.name, limits.max_tokens_per_day)
    return known.caller


def _caller_of_session(request: Request, services: Services) -> Caller:
    token = request.cookies.get(cookie_name(services.settings))
    caller = None if token is None else services.credentials.find_session(token)
    if caller is None:
        raise UnauthenticatedError("sign in, or send 'Authorization: Bearer KEY'")
    if request.method not in _SAFE_METHODS:
        _require_same_origin(request, services.settings)
    return caller


def _admit(caller: Caller, rule: Rule, *, is_key: bool) -> None:
    if rule.by_hand and is_key:
        raise ForbiddenError("this is for people who are signed in, not for a key")
    if rule.scope is not None and rule.scope not in caller.scopes:
        raise ForbiddenError(
            f"this key was not made for that: it lacks the scope {str(rule.scope)!r}"
        )
    if rule.everywhere and not caller.owns_everything:
        raise ForbiddenError("this is for owners of the service, and for keys to everything")


def _refuse_unseen_condition(request: Request) -> None:
    """Refuse a change on a condition that its route does not look at: it would be made anyway."""
    if request.method in _SAFE_METHODS or IF_MATCH not in request.headers:
        return
    fields = request.scope["route"].dependant.header_params
    if all(field.alias != IF_MATCH for field in fields):
        raise InvalidRequestError.of(FieldFault(IF_MATCH, "is not looked at by this route"))


def _find_place(services: Services, request: Request, caller: Caller) -> CollectionId:
    """The collection that the path names, itself or by a document or job.

    Raises what a read would raise where the caller may not see it.
    """
    parameters = request.path_params
    if "document_id" in parameters or "job_id" in parameters:
        document_id = parameters.get("document_id")
        if document_id is None:
            job = services.jobs.get(VersionId(parameters["job_id"]), caller.access)
            document_id = job.document_id
        document = services.documents.get(DocumentId(document_id), caller.access)
        note(request, collection=document.collection)
        return document.collection_id
    name = parameters["name"]
    if not can_name_collection(name):
        raise InvalidRequestError.of(FieldFault("name", "cannot be the name of a collection"))
    collection = services.collections.get(name, caller.access)
    note(request, collection=collection.name)
    return collection.id


def _deed(request: Request, caller: Caller, action: str) -> Deed:
    noted = request.scope.get("cimiento.deed", {})
    # the last thing that the path names is what it was done to
    named = {key: str(each) for key, each in request.path_params.items() if key != "name"}
    target = named.popitem()[1][:_MAX_TARGET_CHARS] if named else None
    return Deed(
        action=action,
        actor=caller.name,
        actor_label=caller.label,
        collection=noted.get("collection"),
        target=noted.get("target", target),
        details=named | noted.get("details", {}),
        request_id=request.scope.get("request_id", ""),
    )


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
