"""The service over a real socket: streams that stream, uploads that stop, clients that leave."""

import json
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

from openai import OpenAI

from core.ids import VersionId
from ingestion.attempts import Attempt, Reading
from tests.integration.app.conftest import Running, names_of
from tests.integration.waiting import until
from tests.unit.app.house import POOL

QUESTION: dict[str, Any] = {
    "question": "When does the swimming pool open?",
    "min_confidence": 0,
    "stream": True,
}


def hold(running: Running) -> threading.Event:
    """From now on no answer gets further than its first word, until this is set."""
    go_on = threading.Event()
    running.house.generator.may_go_on = go_on.is_set
    return go_on


def connect(running: Running) -> socket.socket:
    """A plain connection to the service."""
    address = urlsplit(running.url)
    assert address.hostname is not None
    return socket.create_connection((address.hostname, address.port or 80), timeout=60)


def head(running: Running, path: str, **headers: str) -> bytes:
    """The head of a POST."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {running.house.key}",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_an_answer_arrives_as_it_is_written(running: Running) -> None:
    running.house.add("pool.txt", POOL)
    go_on = hold(running)
    with running.client.stream("POST", "/v1/answer", json=QUESTION) as response:
        names = names_of(response)
        assert next(names) == "passages"
        assert "delta" in names
        go_on.set()
        *_, last = names
    assert last == "done"


def test_a_browser_that_closes_the_tab_stops_the_model(running: Running) -> None:
    running.house.add("pool.txt", POOL)
    hold(running)
    with running.client.stream("POST", "/v1/answer", json=QUESTION) as response:
        assert "event: delta" in response.iter_lines()
    assert running.house.generator.was_cancelled.wait(60)


def test_a_service_that_hangs_up_stops_the_model(running: Running) -> None:
    running.house.add("pool.txt", POOL)
    hold(running)
    body = json.dumps({**QUESTION, "stream": False}).encode()
    with connect(running) as connection:
        kind, length = "application/json", str(len(body))
        connection.sendall(
            head(running, "/v1/answer", Content_Type=kind, Content_Length=length) + body
        )
        assert running.house.generator.is_writing.wait(60)
    assert running.house.generator.was_cancelled.wait(60)


def test_an_openai_client_that_leaves_its_stream_stops_the_model(running: Running) -> None:
    running.house.add("pool.txt", POOL)
    hold(running)
    with OpenAI(base_url=f"{running.url}/v1", api_key=running.house.key) as client:
        stream = client.chat.completions.create(
            model="cimiento/default",
            messages=[{"role": "user", "content": QUESTION["question"]}],
            stream=True,
            extra_body={"cimiento": {"min_confidence": 0}},
        )
        assert next(stream).choices[0].delta.role == "assistant"
        assert running.house.generator.is_writing.wait(60)
        stream.close()
    assert running.house.generator.was_cancelled.wait(60)


def test_an_upload_over_the_limit_is_refused_while_it_is_sent(running: Running) -> None:
    path = "/v1/collections/default/documents"
    start = (
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        + b"a" * 1000
    )
    with connect(running) as connection:
        connection.sendall(
            head(
                running,
                path,
                Content_Type="multipart/form-data; boundary=edge",
                Transfer_Encoding="chunked",
            )
        )
        sending = threading.Thread(target=send_for_ever, args=(connection, start), daemon=True)
        sending.start()
        answer = connection.recv(4096)
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"connection: close" in answer.lower()
    sending.join(60)
    assert not sending.is_alive()


def send_for_ever(connection: socket.socket, start: bytes) -> None:
    """Send chunk after chunk until the server hangs up."""
    data = start
    try:
        while True:
            connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))
            data = b"a" * 65536
    except OSError:
        return


def test_a_declared_length_over_the_limit_is_refused_before_the_body(running: Running) -> None:
    path = "/v1/collections/default/documents"
    kind = "multipart/form-data; boundary=edge"
    with connect(running) as connection:
        connection.sendall(
            head(
                running,
                path,
                Content_Type=kind,
                Content_Length=str(10**12),
                Expect="100-continue",
            )
        )
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


def test_a_job_is_followed_to_its_end(running: Running) -> None:
    house = running.house
    job_id = house.upload("pool.txt", POOL).json()["job_id"]
    states = []
    with running.client.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        for line in response.iter_lines():
            if not line.startswith("data: "):
                continue
            job = json.loads(line.removeprefix("data: "))
            states.append((job["state"], job["stage"]))
            if job["state"] == "queued":
                attempt = Attempt(VersionId(job_id), 1)
                house.services.attempts.begin(attempt)
                house.services.attempts.report(attempt, Reading("parsing", 1, 2, "pages"))
            elif job["stage"] == "parsing" and job["done"] == 1:
                house.ingest()
    assert states[0] == ("queued", None)
    assert ("running", "parsing") in states
    assert states[-1] == ("searchable", "publishing")


def test_a_job_whose_document_is_deleted_ends_with_an_error(running: Running) -> None:
    accepted = running.house.upload("pool.txt", POOL).json()
    names = []
    with running.client.stream("GET", f"/v1/jobs/{accepted['job_id']}/events") as response:
        for name in names_of(response):
            names.append(name)
            running.client.delete(f"/v1/documents/{accepted['document_id']}")
    assert names == ["progress", "error"]


def test_whoever_follows_a_job_is_told_to_come_back_when_the_service_stops(
    running: Running,
) -> None:
    job_id = running.house.upload("pool.txt", POOL).json()["job_id"]
    lines = []
    with running.client.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        for line in response.iter_lines():
            lines.append(line)
            running.house.app.state.draining.begin()
    assert "event: error" in lines
    assert any('"shutting_down"' in line for line in lines if line.startswith("data: "))


def test_many_streams_leave_room_for_short_requests(running: Running) -> None:
    running.house.add("pool.txt", POOL)
    go_on = hold(running)

    def ask() -> None:
        running.client.post("/v1/answer", json=QUESTION)

    asking = [threading.Thread(target=ask) for _ in range(20)]
    for thread in asking:
        thread.start()
    until(lambda: running.house.app.state.live.num_running == len(asking))
    assert running.client.get("/v1/collections").status_code == 200
    assert running.house.app.state.live.num_running == len(asking)
    go_on.set()
    for thread in asking:
        thread.join()
