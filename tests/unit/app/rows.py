"""The rows of a table of routes, and the requests that they stand for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
from fastapi.testclient import TestClient

from core.access import Role, Scope
from tests.unit.app.town import QUESTIONS, Things

Ask = Callable[[TestClient, Things], httpx2.Response]


@dataclass(frozen=True, slots=True)
class Row:
    """How a route is asked, of whom, and what it answers to whoever may.

    role: needed in the collection that it is about; None where it is about none.
    destroys: what is asked for is another thing afterwards: each caller gets a fresh one.
    hides: is as if it were not there for whoever does not own everything.
    """

    ask: Ask
    scope: Scope | None
    role: Role | None = None
    everything: bool = False
    by_hand: bool = False
    allowed: tuple[int, ...] = (200,)
    destroys: bool = False
    hides: bool = False


def get(path: str, scope: Scope | None, **more: Any) -> Row:
    return Row(lambda c, t: c.get(fill(path, t)), scope, **more)


def post(path: str, scope: Scope | None, body: object = None, **more: Any) -> Row:
    return Row(lambda c, t: c.post(fill(path, t), json=filled(body, t)), scope, **more)


def delete(path: str, scope: Scope | None, *, allowed: int = 204, **more: Any) -> Row:
    return Row(lambda c, t: c.delete(fill(path, t)), scope, allowed=(allowed,), **more)


def fill(path: str, things: Things) -> str:
    return path.format(t=things)


def filled(body: object, things: Things) -> object:
    """The body with what stands in braces filled in."""
    match body:
        case str() if body != QUESTIONS:
            return fill(body, things)
        case list():
            return [filled(each, things) for each in body]
        case dict():
            return {key: filled(each, things) for key, each in body.items()}
    return body
