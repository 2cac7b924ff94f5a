"""The cookie of a signed-in browser: out of reach for scripts and for other sites."""

from fastapi import Request
from starlette.responses import Response

from app.access import cookie_name, is_secure
from app.people.signing_in import Visit
from app.services import Services


def set_cookie(response: Response, services: Services, token: str) -> None:
    """Give the browser its session."""
    response.set_cookie(
        cookie_name(services.settings),
        token,
        max_age=int(services.doors.sessions.lifetime.total_seconds()),
        path="/",
        secure=is_secure(services.settings),
        httponly=True,
        samesite="strict",
    )


def clear_cookie(response: Response, services: Services) -> None:
    """Let the browser forget its session."""
    response.delete_cookie(
        cookie_name(services.settings),
        path="/",
        secure=is_secure(services.settings),
        httponly=True,
        samesite="strict",
    )


def read_cookie(request: Request, services: Services) -> str:
    """The session's token; empty where the browser has none."""
    return request.cookies.get(cookie_name(services.settings), "")


def visit_of(request: Request) -> Visit:
    """From where somebody signs in."""
    return Visit(
        browser=request.headers.get("user-agent", "")[:120],
        address=request.client.host if request.client else "",
        request_id=request.scope.get("request_id", ""),
    )
