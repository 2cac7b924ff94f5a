"""The web chat's own routes: the page, signing in and out. Everything else it takes from /v1."""

import html
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from app.access import CallerAccess, refuse_other_sites
from app.api.common import TheServices
from app.api.session_cookie import clear_cookie, read_cookie, set_cookie, visit_of
from app.api.sign_in import token_in
from app.errors import status_of
from app.people.errors import SignInLinkError

WEB_ROOT: Final = Path(__file__).parent.parent / "web"

router = APIRouter(include_in_schema=False)

_PAGE: Final = Template((WEB_ROOT / "sign-in.html").read_text())
_STRINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "title": "Sign in to Cimiento",
        "lead": "This link signs this browser in, once.",
        "ask": "Paste the sign-in link that the server printed when it started.",
        "label": "Sign-in link",
        "button": "Sign in",
        "bad": "This link was used already or has expired. "
        "Run “cimiento sign-in” on the server for a new one.",
        "refused": "The identity provider did not let you in, or nobody has invited you here.",
    },
    "es": {
        "title": "Entrar en Cimiento",
        "lead": "Este enlace da acceso a este navegador, una sola vez.",
        "ask": "Pega el enlace de acceso que mostró el servidor al arrancar.",
        "label": "Enlace de acceso",
        "button": "Entrar",
        "bad": "Este enlace ya se usó o ha caducado. "
        "Ejecuta «cimiento sign-in» en el servidor para obtener otro.",
        "refused": "El proveedor de identidad no te dejó entrar, o nadie te ha invitado aquí.",
    },
}


@router.get("/")
def index() -> FileResponse:
    """The chat. Holds nothing of anybody: what it shows comes from /v1."""
    return FileResponse(WEB_ROOT / "index.html", headers={"Cache-Control": "no-cache"})


@router.get("/sign-in")
def show_sign_in(
    request: Request,
    token: Annotated[str, Query(max_length=200)] = "",
    problem: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """A page with a button. Opening it uses nothing up: link previews open links as well.

    problem: code of what went wrong at the identity provider; the page says in words that it did.
    """
    return _page(request, token=token, notice="refused" if problem else "")


@router.post("/sign-in")
def sign_in(
    request: Request, services: TheServices, token: Annotated[str, Form(max_length=2000)]
) -> Response:
    """Use the link up and give the browser its session."""
    refuse_other_sites(request, services.settings)
    try:
        session_token = services.doors.sign_in.with_link(token_in(token), visit_of(request))
    except SignInLinkError as error:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return _page(request, notice="bad", status=status_of(error))
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


def _page(
    request: Request, *, token: str = "", notice: str = "", status: int = 200
) -> HTMLResponse:
    language = "es" if request.headers.get("accept-language", "").startswith("es") else "en"
    strings = _STRINGS[language]
    page = _PAGE.substitute(
        language=language,
        title=strings["title"],
        lead=strings["lead"] if token else strings["ask"],
        notice=strings[notice] if notice else "",
        notice_class="notice" if notice else "hidden",
        label=strings["label"],
        label_class="hidden" if token else "label",
        input_type="hidden" if token else "text",
        token=html.escape(token, quote=True),
        button=strings["button"],
    )
    return HTMLResponse(page, status)
