"""Callers and workers of different versions: what they agree on, and how they part."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from generation.errors import AdapterMissingError, GeneratorUnavailableError
from generation.protocol import HEADER, SPOKEN, UNSAID, Versions, versions_in
from generation.remote import RemoteGenerator
from generation.types import Message
from tests.unit.generation.worker_house import CHAT, House

MESSAGES = (Message("user", "Hi"),)


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        (Versions(1, 1), Versions(1, 1), 1),
        (Versions(1, 2), Versions(2, 3), 2),
        (Versions(2, 3), Versions(1, 2), 2),
        (Versions(1, 3), Versions(2, 4), 3),
        (Versions(1, 2), Versions(3, 4), None),
        (Versions(3, 4), Versions(1, 2), None),
    ],
)
def test_the_newest_that_both_speak_is_spoken(
    ours: Versions, theirs: Versions, agreed: int | None
) -> None:
    assert ours.shared_with(theirs) == agreed


@pytest.mark.parametrize("said", [None, "1", [], {}, {"oldest": 1}, {"oldest": "1", "newest": 2}])
def test_a_worker_that_does_not_say_is_of_the_first_version(said: object) -> None:
    assert versions_in(said) == UNSAID


class Worker:
    """A worker of some version: answers what it is asked for, and keeps what it was told."""

    def __init__(self, **said: object) -> None:
        self.told: list[str | None] = []
        self._entry = {"id": "m", "owned_by": "cimiento", "model_sha256": "00", **said}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """One request."""
        if request.url.path == "/v1/models":
            return httpx2.Response(200, json={"data": [self._entry], "later": "unknown here"})
        self.told.append(request.headers.get(HEADER))
        return httpx2.Response(200, json={"count": 3, "of_a_later_version": {"tokens": []}})


@contextmanager
def asking(worker: Worker) -> Iterator[RemoteGenerator]:
    """A generator that asks this worker."""
    transport = httpx2.MockTransport(worker)
    generator = RemoteGenerator("http://worker", "m", transport=transport)
    yield generator
    generator.close()


@pytest.mark.parametrize(
    ("protocol", "agreed"),
    [(None, 1), ({"oldest": 1, "newest": 9, "colour": "red"}, SPOKEN.newest)],
)
def test_a_worker_within_reach_is_asked_and_told_what_is_spoken(protocol: Any, agreed: int) -> None:
    worker = Worker(protocol=protocol, version="9.0", of_a_later_version=True)
    with asking(worker) as generator:
        generator.describe()
        assert generator.count_tokens(MESSAGES) == 3
    assert worker.told == [str(agreed)]


def test_a_worker_that_would_pass_over_an_adapter_is_not_asked_with_one() -> None:
    worker = Worker(protocol={"oldest": 1, "newest": 1}, version="0.1")
    with asking(worker) as generator, pytest.raises(AdapterMissingError, match="earlier version"):
        generator.score(MESSAGES, ["a"], adapter="a" * 64)
    assert worker.told == []


def test_a_worker_too_far_away_is_not_asked_and_both_versions_are_named() -> None:
    worker = Worker(protocol={"oldest": 7, "newest": 8}, version="9.0")
    with (
        asking(worker) as generator,
        pytest.raises(
            GeneratorUnavailableError,
            match=r"Cimiento 9\.0 and speaks version 7 to 8 .* this one 1 to 2; update whichever",
        ),
    ):
        generator.describe()
    assert worker.told == []


@pytest.mark.parametrize("said", ["0", "3", "1.5", "new", ""])
def test_a_worker_refuses_what_it_does_not_speak(said: str) -> None:
    house = House().started()
    response = house.post("/v1/chat/completions", CHAT, {HEADER: said})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (426, "protocol_too_far")
    assert "update whichever is older" in error["message"]
    told = house.get("/v1/models", {HEADER: said}).json()
    assert versions_in(told["data"][0]["protocol"]) == SPOKEN


@pytest.mark.parametrize("headers", [{}, {HEADER: "1"}])
def test_a_worker_serves_who_speaks_it_and_who_says_nothing(headers: dict[str, str]) -> None:
    house = House().started()
    response = house.post("/v1/chat/completions", CHAT, headers)
    assert response.status_code == 200
