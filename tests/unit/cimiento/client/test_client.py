"""The client against the whole service: what is asked, uploaded, listed, refused."""

import io
from pathlib import Path

import pytest

from cimiento.client import (
    AsyncClient,
    AuthenticationError,
    Client,
    Delta,
    Finished,
    InvalidRequestError,
    JobFailedError,
    NotFoundError,
    PassagesFound,
)
from tests.unit.app.house import House
from tests.unit.cimiento.client.conftest import QUESTION


def test_a_search_finds_passages(client: Client) -> None:
    (passage, *_) = client.search("When does the pool open?", collections=["default"], top_k=3)
    assert passage.document_name == "pool.txt"
    text = client.get_text(passage.document_id)
    assert passage.text == text[passage.start : passage.end]


def test_an_answer_has_exact_citations(client: Client) -> None:
    answer = client.answer(QUESTION, min_confidence=0)
    assert answer.status == "answered"
    (citation, *_) = answer.citations
    text = client.get_text(citation.document_id, version=citation.version)
    assert citation.quote == text[citation.start : citation.end]
    assert client.get_answer(answer.id).text == answer.text


def test_a_refusal_is_an_answer(client: Client) -> None:
    answer = client.answer(QUESTION, min_confidence=1)
    assert answer.is_refused
    assert answer.text


def test_a_stream_tells_of_passages_then_text_then_the_whole(client: Client) -> None:
    with client.stream(QUESTION, min_confidence=0) as stream:
        events = list(stream)
    assert isinstance(events[0], PassagesFound)
    assert isinstance(events[-1], Finished)
    text = "".join(event.text for event in events if isinstance(event, Delta))
    assert text.strip() == stream.answer.text == events[-1].answer.text


def test_the_text_of_a_stream_is_there_alone(client: Client) -> None:
    stream = client.stream(QUESTION, min_confidence=0)
    assert "".join(stream.texts()).strip() == stream.answer.text


def test_an_upload_tells_of_its_progress(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "rivers.txt"
    path.write_bytes(b"The Tagus is long. " * 20_000)
    told: list[tuple[int, int | None]] = []
    accepted = client.upload(
        path, metadata={"topic": "rivers"}, progress=lambda done, total: told.append((done, total))
    )
    assert accepted.bytes == path.stat().st_size
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (accepted.bytes, accepted.bytes)
    assert len(told) > 1
    assert client.get_document(accepted.document_id).newest.metadata == {"topic": "rivers"}


def test_bytes_and_open_files_are_documents_too(client: Client) -> None:
    accepted = client.upload(b"# Tagus", name="tagus.md")
    assert client.upload(io.BytesIO(b"# Tagus"), name="tagus.md").deduplicated
    assert client.upload(b"# Ebro", name="tagus.md", on_conflict="skip").skipped
    assert client.get_document(accepted.document_id).name == "tagus.md"
    with pytest.raises(ValueError, match="name"):
        client.upload(b"# Tagus")


def test_a_job_is_waited_for(client: Client, house: House) -> None:
    accepted = client.upload(b"# Tagus", name="tagus.md")
    assert client.get_job(accepted.job_id).is_open
    house.ingest()
    assert client.wait(accepted.job_id).state == "searchable"


def test_a_job_that_failed_says_why(client: Client, house: House) -> None:
    accepted = client.upload(b"%PDF-1.7 broken", name="broken.pdf")
    house.ingest()
    with pytest.raises(JobFailedError) as failed:
        client.wait(accepted.job_id)
    assert failed.value.code == "unreadable_document"
    assert not failed.value.retryable
    assert client.retry_job(accepted.job_id).is_open
    assert client.cancel_job(accepted.job_id).state == "cancelled"


def test_lists_are_read_page_by_page(client: Client, house: House) -> None:
    client.create_collection("many", description="of them")
    for number in range(101):
        client.upload(f"# {number}".encode(), name=f"{number}.md", collection="many")
    names = [document.name for document in client.list_documents(collection="many")]
    assert names == [f"{number}.md" for number in reversed(range(101))]
    assert {each.name for each in client.list_collections()} == {"default", "many"}


def test_what_was_deleted_is_not_there(client: Client) -> None:
    (document,) = client.list_documents()
    assert [version.version for version in client.list_versions(document.id)] == [1]
    client.delete_document(document.id)
    with pytest.raises(NotFoundError) as told:
        client.get_document(document.id)
    assert told.value.code == "document_not_found"
    assert told.value.request_id


def test_what_is_wrong_is_said_by_field(client: Client, house: House) -> None:
    with pytest.raises(InvalidRequestError) as told:
        client.search("pool", top_k=1000)
    assert told.value.faults[0].field == "top_k"
    with pytest.raises(NotFoundError):
        client.answer(QUESTION, collections=["nowhere"])
    stranger = Client(house.services.settings.base_url, "wrong", http=house.new_client())
    with pytest.raises(AuthenticationError):
        stranger.search("pool")


async def test_the_client_that_awaits_does_the_same(
    async_client: AsyncClient, client: Client, house: House
) -> None:
    async with async_client:
        assert await async_client.search("pool") == client.search("pool")
        answer = await async_client.answer(QUESTION, min_confidence=0)
        assert answer.citations == client.answer(QUESTION, min_confidence=0).citations
        async with async_client.stream(QUESTION, min_confidence=0) as stream:
            text = "".join([piece async for piece in stream.texts()])
            assert text.strip() == (await stream.answer()).text
        accepted = await async_client.upload(b"# Tagus", name="tagus.md")
        house.ingest()
        assert (await async_client.wait(accepted.job_id)).state == "searchable"
        documents = [each.name async for each in async_client.list_documents()]
        assert documents == ["tagus.md", "pool.txt"]
        await async_client.delete_document(accepted.document_id)
        with pytest.raises(NotFoundError):
            await async_client.get_document(accepted.document_id)
