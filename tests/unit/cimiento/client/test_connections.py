"""Connections that break, servers that are busy: what is sent again, and where a stream goes on."""

import httpx2
import pytest
from sqlalchemy import select

from cimiento.client import (
    AsyncClient,
    Client,
    ClientError,
    Delta,
    ForbiddenError,
    ServerError,
    UnreachableError,
)
from core.answer_tables import AnswerRow
from tests.unit.app.house import House
from tests.unit.cimiento.client.conftest import QUESTION, Cut, client_of

pytestmark = pytest.mark.usefixtures("impatient")

PASSAGES = 'event: passages\nid: 1\ndata: {"id": "ans_1", "standalone": null, "passages": []}\n\n'


def delta(number: int) -> str:
    """One more word."""
    return f'event: delta\nid: {number}\ndata: {{"text": "{number} "}}\n\n'


DONE = (
    'event: done\nid: 9\ndata: {"id": "ans_1", "status": "refused", "answer": "Nothing.", '
    '"sentences": [], "confidence": 0, "citations": [], "passages": [], "receipt": {}, '
    '"timings": {"retrieve_ms": 1, "first_token_ms": null, "total_ms": 1}, '
    '"usage": {"prompt_tokens": 0, "completion_tokens": 0}}\n\n'
)


class Server:
    """Sends its replies in turn, and keeps what it was asked."""

    def __init__(self, *replies: httpx2.Response | Exception) -> None:
        self._replies = list(replies)
        self.asked: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


def broken(*events: str) -> httpx2.Response:
    """A stream that breaks after these events."""
    return httpx2.Response(200, stream=Cut("".join(events).encode()))


def whole(*events: str) -> httpx2.Response:
    """A stream that ends after these events."""
    return httpx2.Response(200, text="".join(events))


def busy(**headers: str) -> httpx2.Response:
    """A refusal for now."""
    problem = {"code": "generator_busy", "detail": "too many wait"}
    return httpx2.Response(503, json=problem, headers={"Retry-After": "0", **headers})


def test_a_busy_service_is_asked_again() -> None:
    server = Server(busy(), busy(), httpx2.Response(200, json={"passages": []}))
    assert client_of(server).search("pool") == []
    assert len(server.asked) == 3
    assert server.asked[0].headers["authorization"] == "Bearer cim_key"


def test_a_service_that_stays_busy_is_given_up() -> None:
    server = Server(*(busy() for _ in range(3)))
    with pytest.raises(ServerError) as told:
        client_of(server, max_retries=2).search("pool")
    assert told.value.code == "generator_busy"
    assert len(server.asked) == 3


def test_a_refusal_is_final() -> None:
    server = Server(httpx2.Response(403, json={"code": "forbidden", "detail": "not yours"}))
    with pytest.raises(ForbiddenError, match="not yours"):
        client_of(server).search("pool")


def test_an_error_page_of_something_between_is_an_error_too() -> None:
    server = Server(*(httpx2.Response(502, text="<html>") for _ in range(2)))
    with pytest.raises(ServerError) as told:
        client_of(server, max_retries=1).search("pool")
    assert (told.value.code, told.value.status) == ("http_error", 502)


def test_nobody_there_is_said_so() -> None:
    server = Server(*(httpx2.ConnectError("refused") for _ in range(2)))
    with pytest.raises(UnreachableError, match="refused"):
        client_of(server, max_retries=1).search("pool")


def test_an_upload_is_sent_again_from_its_first_byte() -> None:
    accepted = {"document_id": "doc_1", "version": 1, "sha256": "", "bytes": 4, "job_id": "ver_1"}
    accepted |= {"media_type": "text/plain", "deduplicated": False, "skipped": False}
    server = Server(httpx2.ReadError("broke"), httpx2.Response(202, json=accepted))
    told: list[int] = []
    upload = client_of(server).upload(
        b"pool", name="pool.txt", progress=lambda done, _: told.append(done)
    )
    assert upload.document_id == "doc_1"
    assert told == [4, 4]
    assert b"pool" in server.asked[1].read()


def test_an_answer_goes_on_where_its_connection_broke() -> None:
    server = Server(
        broken(PASSAGES, delta(2)),
        httpx2.ConnectError("restarting"),
        broken(": still there\n\n", delta(3)),
        whole(delta(4), DONE),
    )
    stream = client_of(server).stream("When?")
    texts = [event.text for event in stream if isinstance(event, Delta)]
    assert texts == ["2 ", "3 ", "4 "]
    assert stream.answer.text == "Nothing."
    first, *others = server.asked
    assert (first.method, first.url.path) == ("POST", "/v1/answer")
    assert [request.headers["last-event-id"] for request in others] == ["2", "2", "3"]
    assert {request.url.path for request in others} == {"/v1/answers/ans_1/events"}


def test_half_an_event_is_told_anew() -> None:
    server = Server(broken(PASSAGES, delta(2), delta(3).rstrip("\n")), whole(delta(3), DONE))
    stream = client_of(server).stream("When?")
    assert [event.text for event in stream if isinstance(event, Delta)] == ["2 ", "3 "]
    assert server.asked[1].headers["last-event-id"] == "2"


def test_a_stream_that_ends_too_soon_is_taken_up_again() -> None:
    server = Server(whole(PASSAGES), whole(delta(2), DONE))
    assert client_of(server).answer("When?").is_refused


def test_what_comes_after_the_last_event_changes_nothing() -> None:
    server = Server(whole(PASSAGES, DONE, ": still there\n\n", 'event: weather\ndata: "fine"\n\n'))
    assert client_of(server).answer("When?").is_refused
    assert len(server.asked) == 1


def test_a_text_with_separators_of_lines_comes_whole() -> None:
    text = "\u2028 and \u0085 stand in many a PDF"
    delta = f'event: delta\nid: 2\ndata: {{"text": "{text}"}}\n\n'
    server = Server(whole(PASSAGES, delta, DONE))
    assert list(client_of(server).stream("When?").texts()) == [text]


def test_a_question_whose_reply_was_lost_is_sent_again_under_its_key() -> None:
    server = Server(broken(), whole(PASSAGES, DONE), whole(PASSAGES, DONE))
    client = client_of(server)
    assert client.answer("When?").is_refused
    assert client.answer("When?").is_refused
    first, again, another = (request.headers["idempotency-key"] for request in server.asked)
    assert first == again != another


def test_an_answer_that_cannot_be_reached_any_more_is_given_up() -> None:
    server = Server(broken(PASSAGES), *(httpx2.ConnectError("gone") for _ in range(3)))
    with pytest.raises(UnreachableError, match="gone"):
        client_of(server, max_retries=2).answer("When?")


def test_whoever_leaves_a_stream_leaves_the_connection() -> None:
    server = Server(whole(PASSAGES, delta(2), DONE))
    with client_of(server).stream("When?") as stream:
        next(iter(stream))
    with pytest.raises(ClientError, match="closed"):
        _ = stream.answer


class Breaking(httpx2.BaseTransport):
    """A way to the service that breaks once, after so many events of an answer and a bit."""

    def __init__(self, inner: httpx2.BaseTransport, num_events: int) -> None:
        self._inner = inner
        self._num_events = num_events
        self._has_broken = False

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._inner.handle_request(request)
        if self._has_broken or request.url.path != "/v1/answer":
            return response
        self._has_broken = True
        *events, _ = response.read().split(b"\n\n")
        sent = b"\n\n".join([*events[: self._num_events], events[self._num_events][:20]])
        return httpx2.Response(200, stream=Cut(sent))


def _stored(house: House) -> list[str]:
    with house.services.database.read_scope() as session:
        return list(session.scalars(select(AnswerRow.id)))


@pytest.mark.parametrize("num_events", [0, 1, 2, 5])
def test_the_service_tells_the_rest_of_an_answer(house: House, num_events: int) -> None:
    base_url = house.services.settings.base_url
    unbroken = Client(base_url, house.key, http=house.new_client())
    transport = Breaking(house.new_client()._transport, num_events)
    client = Client(base_url, house.key, http=httpx2.Client(transport=transport))
    stream = client.stream(QUESTION, min_confidence=0)
    kinds = [type(event) for event in stream]
    assert [stream.answer.id] == _stored(house)
    assert kinds == [type(event) for event in unbroken.stream(QUESTION, min_confidence=0)]
    assert stream.answer.text == unbroken.answer(QUESTION, min_confidence=0).text


async def test_the_client_that_awaits_goes_on_as_well() -> None:
    server = Server(busy(), broken(PASSAGES, delta(2)), whole(delta(3), DONE))
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(server))
    async with AsyncClient("http://docs.example", http=http) as client:
        texts = [piece async for piece in client.stream("When?").texts()]
    assert texts == ["2 ", "3 "]
    assert [request.method for request in server.asked] == ["POST", "POST", "GET"]
