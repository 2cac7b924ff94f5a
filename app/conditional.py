"""Conditional requests: an `ETag` on what is read, and 304 for who has it already. Pure ASGI.

A tag is the digest of the very bytes that are sent: whatever changes what a caller is shown changes
it, whoever changed it. What comes in pieces, such as events, has none. Changes that name a tag are
compared where they are made: `app.api.matching`.
"""

import hashlib
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

IF_MATCH: Final = "If-Match"
_DIGEST_BYTES: Final = 16
# What describes a body that is not sent.
_OF_THE_BODY: Final = ("content-length", "content-type")


class ConditionalReads:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        await self._app(scope, receive, _Reading(known, send).send)


class _Reading:
    """One response; its beginning waits for the body that it is to be told from."""

    def __init__(self, known: str, send: Send) -> None:
        self._known = known
        self._send = send
        self._beginning: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_json(message):
            self._beginning = message
            return
        beginning, self._beginning = self._beginning, None
        if beginning is not None:
            if not message.get("more_body", False):
                message = self._told(beginning, message)
            await self._send(beginning)
        await self._send(message)

    def _told(self, beginning: Message, body: Message) -> Message:
        tag = tag_of_body(body["body"])
        headers = MutableHeaders(scope=beginning)
        headers["ETag"] = tag
        if not is_known(tag, self._known):
            return body
        beginning["status"] = 304
        for name in _OF_THE_BODY:
            del headers[name]
        return {**body, "body": b""}


def tag_of(digest: str) -> str:
    """The value of `ETag` for what has this digest."""
    return f'"{digest}"'


def tag_of_body(body: bytes) -> str:
    """The value of `ETag` for what is sent so."""
    return tag_of(hashlib.blake2b(body, digest_size=_DIGEST_BYTES).hexdigest())


def is_known(tag: str, named: str) -> bool:
    """Whether `If-None-Match` or `If-Match` names the tag, or takes any (RFC 9110, 13.1).

    A proxy that compresses makes a tag weak on its way; what it tells apart stays the same.
    """
    each_named = {each.strip().removeprefix("W/") for each in named.split(",")}
    return "*" in each_named or tag in each_named


def _is_json(beginning: Message) -> bool:
    kind = Headers(raw=beginning["headers"]).get("content-type", "")
    return beginning["status"] == 200 and kind.startswith("application/json")
