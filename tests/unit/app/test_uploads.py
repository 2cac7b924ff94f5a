"""Uploads: refused as soon as that is certain, safe once accepted, nothing half-written left."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from starlette.types import Message

from core.ids import VersionId
from tests.unit.app.asgi import GONE, Exchange, call, part
from tests.unit.app.house import MAX_UPLOAD_BYTES, POOL, House, attempt_of
from tests.unit.ingestion import files

PATH = "/v1/collections/default/documents"
# stands in no file of the service by chance
PASSWORD = "sesame-4711"
HEAD = (
    b'--edge\r\nContent-Disposition: form-data; name="file"; filename="big.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\n"
)
Receive = Callable[[int, Exchange], Awaitable[Message]]
Form = dict[str, tuple[str | None, str | bytes]]


def send(house: House, receive: Receive, **headers: str) -> Exchange:
    """Upload with a body that the test doles out."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    all_headers = {
        "authorization": f"Bearer {house.key}",
        "content-type": "multipart/form-data; boundary=edge",
        **named,
    }
    return call(house.app, PATH, headers=all_headers, receive=receive)


def endless(data: bytes) -> Receive:
    """A body that never ends."""

    async def receive(number: int, _exchange: Exchange) -> Message:
        return part(HEAD if number == 1 else data)

    return receive


def form(name: str, metadata: str) -> Form:
    """A small document with metadata."""
    return {"file": (name, b"text"), "metadata": (None, metadata)}


def incoming(house: House) -> list[Path]:
    """What is still on its way in."""
    return list((house.services.settings.data_dir / "blobs" / "incoming").iterdir())


def nothing_left(house: House) -> bool:
    """Whether no trace of an upload is on disk or in the database."""
    listed = house.client.get("/v1/documents").json()["items"]
    return not incoming(house) and not list(house.services.blobs.list()) and not listed


def test_upload_is_accepted_at_once_and_becomes_searchable(house: House) -> None:
    response = house.upload("pool.txt", POOL)
    accepted = response.json()
    assert response.status_code == 202
    assert accepted.keys() == {
        "document_id",
        "version",
        "sha256",
        "bytes",
        "media_type",
        "deduplicated",
        "skipped",
        "job_id",
    }
    assert (accepted["bytes"], accepted["media_type"]) == (len(POOL), "text/plain")
    attempt = attempt_of(accepted["job_id"])
    assert house.services.queue.statuses([attempt]) == {attempt: "ENQUEUED"}
    house.ingest()
    document = house.client.get(f"/v1/documents/{accepted['document_id']}").json()
    assert (document["state"], document["version"]["chunks"]) == ("searchable", 1)
    assert incoming(house) == []


def test_a_body_that_never_ends_is_refused_while_it_streams(house: House) -> None:
    exchange = send(house, endless(b"a" * 65536))
    assert exchange.status == 413
    assert json.loads(exchange.body)["code"] == "document_too_large"
    assert exchange.num_received * 65536 < 3 * MAX_UPLOAD_BYTES
    assert nothing_left(house)


def test_a_length_over_the_limit_is_refused_before_any_byte_is_read(house: House) -> None:
    async def receive(_number: int, _exchange: Exchange) -> Message:
        raise AssertionError("the body was read")

    exchange = send(house, receive, content_length=str(10 * MAX_UPLOAD_BYTES))
    assert exchange.status == 413
    assert nothing_left(house)


def test_endless_fields_beside_the_file_are_refused(house: House) -> None:
    head = b'--edge\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n'

    async def receive(number: int, _exchange: Exchange) -> Message:
        return part(head if number == 1 else b"a" * 65536)

    exchange = send(house, receive)
    assert exchange.status == 422
    assert exchange.num_received < 30


def test_endless_headers_of_a_part_are_refused(house: House) -> None:
    async def receive(number: int, _exchange: Exchange) -> Message:
        return part(b"--edge\r\nX-" if number == 1 else b"a" * 65536)

    assert send(house, receive).status == 422


def test_a_foreign_kind_is_refused_while_it_streams(house: House) -> None:
    exchange = send(house, endless(b"\x01\x02\x03\x04" * 16384))
    assert exchange.status == 415
    assert exchange.num_received < 20
    assert nothing_left(house)


def test_a_client_that_leaves_midway_leaves_nothing_behind(house: House) -> None:
    async def receive(number: int, _exchange: Exchange) -> Message:
        return [part(HEAD), part(b"a" * 700_000), GONE][number - 1]

    exchange = send(house, receive)
    assert exchange.status in (0, 400)
    assert nothing_left(house)


def test_a_body_that_breaks_off_is_refused(house: House) -> None:
    async def receive(number: int, _exchange: Exchange) -> Message:
        return part(HEAD) if number == 1 else part(b"text", more=False)

    assert send(house, receive).status == 422
    assert nothing_left(house)


def test_one_byte_at_a_time_is_received_as_well(house: House) -> None:
    body = HEAD + b"The pool opens at nine.\r\n--edge--\r\n"

    async def receive(number: int, _exchange: Exchange) -> Message:
        return part(body[number - 1 : number], more=number < len(body))

    exchange = send(house, receive)
    assert exchange.status == 202
    assert json.loads(exchange.body)["bytes"] == 23


def test_a_file_of_exactly_the_limit_is_accepted(house: House) -> None:
    assert house.upload("full.txt", b"a " * (MAX_UPLOAD_BYTES // 2)).status_code == 202
    assert house.upload("over.txt", b"a " * (MAX_UPLOAD_BYTES // 2) + b"a").status_code == 413


@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("empty.txt", b"", 422, "empty_document"),
        ("program", b"\x7fELF\x02\x01\x01" + b"\x00" * 64, 415, "unsupported_media_type"),
        ("archive.zip", b"PK\x03\x04" + b"\x00" * 64, 415, "unsupported_media_type"),
    ],
)
def test_what_cannot_be_read_is_refused(
    house: House, name: str, data: bytes, status: int, code: str
) -> None:
    response = house.upload(name, data)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert nothing_left(house)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"other": (None, "x")}, "other"),
        ({"metadata": (None, "{}")}, "file"),
        ({"file": ("a.txt", b"text"), "password": (None, "x" * 300)}, "password"),
    ],
)
def test_a_wrong_form_names_the_field(
    house: House, fields: dict[str, tuple[str | None, str | bytes]], field: str
) -> None:
    response = house.client.post(PATH, files=fields)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert nothing_left(house)


def test_a_password_waits_beside_the_job_for_its_parser_alone(house: House) -> None:
    encrypted = files.build_pdf([["The river rises"]], password=PASSWORD)
    form: Form = {"file": ("a.pdf", encrypted), "password": (None, PASSWORD)}
    accepted = house.client.post(PATH, files=form).json()
    data_dir = house.services.settings.data_dir
    kept = [path for path in data_dir.rglob("*") if path.is_file() and holds_secret(path)]
    assert [path.relative_to(data_dir).parts[0] for path in kept] == ["staging"]
    assert kept[0].stat().st_mode & 0o777 == 0o600
    house.ingest()
    document = house.client.get(f"/v1/documents/{accepted['document_id']}").json()
    assert document["state"] == "searchable"
    assert not [path for path in data_dir.rglob("*") if path.is_file() and holds_secret(path)]


def holds_secret(path: Path) -> bool:
    """Whether the password of the tests is in the file."""
    return PASSWORD.encode() in path.read_bytes()


def test_a_password_that_comes_later_reaches_the_job_that_waits(house: House) -> None:
    encrypted = files.build_pdf([["The river rises"]], password=PASSWORD)
    house.upload("a.pdf", encrypted)
    form: Form = {"file": ("a.pdf", encrypted), "password": (None, PASSWORD)}
    again = house.client.post(PATH, files=form).json()
    assert again["deduplicated"]
    house.ingest()
    document = house.client.get(f"/v1/documents/{again['document_id']}").json()
    assert document["state"] == "searchable"


def test_two_files_in_one_form_are_refused(house: House) -> None:
    form = [("file", ("a.txt", b"one")), ("file", ("b.txt", b"two"))]
    assert house.client.post(PATH, files=form).status_code == 422
    assert nothing_left(house)


def test_a_body_that_is_no_form_is_refused(house: House) -> None:
    assert house.client.post(PATH, json={"file": "x"}).status_code == 422
    assert house.client.post(PATH, data={"file": "x"}).status_code == 422
    assert house.client.post(PATH).status_code == 422


@pytest.mark.parametrize("metadata", ["[1]", "{", "NaN", "x" * 20_000])
def test_bad_metadata_is_refused(house: House, metadata: str) -> None:
    files = form("a.txt", metadata)
    response = house.client.post(PATH, files=files)
    assert (response.status_code, response.json()["code"]) == (422, "bad_metadata")
    assert nothing_left(house)


def test_metadata_is_kept_with_the_document(house: House) -> None:
    files = form("a.txt", '{"department": "people"}')
    accepted = house.client.post(PATH, files=files).json()
    document = house.client.get(f"/v1/documents/{accepted['document_id']}").json()
    assert document["newest"]["metadata"] == {"department": "people"}


def test_unknown_and_badly_formed_collections_differ(house: House) -> None:
    assert house.upload("a.txt", "text", collection="none").status_code == 404
    assert house.upload("a.txt", "text", collection="Bad%20Name").status_code == 422
    assert nothing_left(house)


def test_the_same_bytes_again_change_nothing(house: House) -> None:
    first = house.upload("pool.txt", POOL).json()
    again = house.upload("pool.txt", POOL)
    assert (again.status_code, again.json()["deduplicated"]) == (202, True)
    assert again.json()["job_id"] == first["job_id"]
    assert len(house.client.get("/v1/jobs").json()["items"]) == 1


@pytest.mark.parametrize(
    ("on_conflict", "version", "skipped"),
    [("replace", 2, False), ("version", 2, False), ("skip", 1, True)],
)
def test_new_bytes_under_a_known_name_do_as_asked(
    house: House, on_conflict: str, version: int, *, skipped: bool
) -> None:
    house.add("pool.txt", POOL)
    path = f"{PATH}?on_conflict={on_conflict}"
    response = house.client.post(path, files={"file": ("pool.txt", b"It opens at ten.")}).json()
    assert (response["version"], response["skipped"]) == (version, skipped)


def test_an_unknown_way_to_settle_conflicts_is_refused(house: House) -> None:
    files = {"file": ("a.txt", b"text")}
    assert house.client.post(f"{PATH}?on_conflict=merge", files=files).status_code == 422


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("../../etc/passwd", "passwd"), ("año ñ.txt", "año ñ.txt"), ("", "document")],
)
def test_a_name_is_the_last_part_of_a_path(house: House, sent: str, kept: str) -> None:
    body = HEAD.replace(b"big.txt", sent.encode()) + b"text\r\n--edge--\r\n"

    async def receive(_number: int, _exchange: Exchange) -> Message:
        return part(body, more=False)

    exchange = send(house, receive)
    document_id = json.loads(exchange.body)["document_id"]
    assert house.client.get(f"/v1/documents/{document_id}").json()["name"] == kept


def test_an_accepted_upload_has_a_job_that_can_be_asked_for(house: House) -> None:
    job_id = house.upload("pool.txt", POOL).json()["job_id"]
    job = house.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["state"], job["id"], job["error"]) == ("queued", VersionId(job_id), None)
