"""The web application's own routes: its page, signing in and out. All else it takes from /v1."""

from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from app.access import CallerAccess, refuse_other_sites
from app.api.common import TheServices
from app.api.session_cookie import clear_cookie, read_cookie, set_cookie, visit_of
from app.api.sign_in import token_in
from app.errors import WebNotBuiltError
from app.rules import PAGE_PATHS

WEB_ROOT: Final = Path(__file__).parent.parent / "web" / "dist"

# beneath these there are no pages
_NO_PAGES: Final = ("/v1/", "/static/", "/health/", "/mcp", "/metrics")

router = APIRouter(include_in_schema=False)


def show_page(request: Request) -> FileResponse:
    """The application. Holds nothing of anybody: what it shows comes from /v1.

    Opening a sign-in link uses nothing up: link previews open links as well. What a provider could
    not let in comes back with `problem`, a code that the page says in words.
    """
    page = _page_of(request)
    if page is None:
        raise WebNotBuiltError("the web application has not been built; run 'make web'")
    return page


def missing_page(request: Request) -> FileResponse | None:
    """The application at an address that it has no page for: it says so, and leads on.

    None for a program, where no person types an address, and where it has not been built.
    """
    path = request.url.path
    wants_page = "text/html" in request.headers.get("accept", "")
    if request.method not in ("GET", "HEAD") or not wants_page or path.startswith(_NO_PAGES):
        return None
    return _page_of(request, status_code=404)


def _page_of(request: Request, *, status_code: int = 200) -> FileResponse | None:
    page = Path(request.app.state.web_root) / "index.html"
    headers = {"Cache-Control": "no-cache"}
    return FileResponse(page, status_code, headers) if page.is_file() else None


for _path in PAGE_PATHS:
    router.add_api_route(_path, show_page, methods=["GET"])


@router.post("/sign-in")
def sign_in(
    request: Request, services: TheServices, token: Annotated[str, Form(max_length=2000)]
) -> Response:
    """Use the link up and give the browser its session."""
    refuse_other_sites(request, services.settings)
    session_token = services.doors.sign_in.with_link(token_in(token), visit_of(request))
    response = RedirectResponse("/", status_code=303)
    set_cookie(response, services, session_token)
    return response


@router.post("/sign-out")
def sign_out(request: Request, services: TheServices, _access: CallerAccess) -> Response:
    """End the session of this browser."""
    services.doors.sessions.end(read_cookie(request, services))
    response = Response(status_code=204)
    clear_cookie(response, services)
    return response
