"""From an empty folder to a cited answer, over HTTP, with the real weights."""

import json

import pytest

from tests.e2e.service import DOCUMENTS, Place, Service, serving

pytestmark = pytest.mark.weights

# question, the file and page that must be cited, what the quote must hold
QUESTIONS = [
    ("Who created Hug?", "fastapi-alternatives.pdf", 7, "Timothy Crosley"),
    ("What is Uvicorn built on?", "fastapi-alternatives.pdf", 10, "uvloop and httptools"),
    ("¿Qué permite la extensión SNI?", "sobre-https.md", None, "varios certificados HTTPS"),
    ("¿Cuánto duran los certificados de Let's Encrypt?", "sobre-https.md", None, "3 meses"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "document", "page", "words"), QUESTIONS)
def test_answer_cites_the_page_and_the_words_that_answer(
    library: Service, question: str, document: str, page: int | None, words: str
) -> None:
    answer = library.ask(question)

    assert answer["status"] == "answered", answer
    quotes = {
        " ".join(citation["quote"].replace("**", "").split()): citation
        for citation in answer["citations"]
    }
    citation = next((quotes[quote] for quote in quotes if words in quote), None)
    assert citation is not None, answer
    assert (citation["document_name"], citation["page"]) == (document, page), answer
    assert all(sentence["citations"] for sentence in answer["sentences"])


@pytest.mark.parametrize(("question", "document", "page", "words"), QUESTIONS)
def test_quote_is_the_stored_text_to_the_letter(
    library: Service, question: str, document: str, page: int | None, words: str
) -> None:
    for citation in library.ask(question)["citations"]:
        stored = library.client.get(f"/v1/documents/{citation['document_id']}/text").json()["text"]
        assert stored[citation["start"] : citation["end"]] == citation["quote"]


def test_pdf_citation_has_rectangles_on_its_page(library: Service) -> None:
    citation = library.ask("Who created Hug?")["citations"][0]

    assert citation["boxes"]
    assert {box["page"] for box in citation["boxes"]} == {citation["page"]}
    assert all(box["x0"] < box["x1"] and box["y0"] < box["y1"] for box in citation["boxes"])


@pytest.mark.parametrize(
    "question",
    ["What is the boiling point of tungsten?", "¿Quién pintó Las Meninas?"],
)
def test_question_that_no_document_answers_is_refused(library: Service, question: str) -> None:
    answer = library.ask(question)

    assert answer["status"] == "refused", answer
    assert answer["citations"] == []


def test_stream_shows_passages_then_text_then_citations_then_one_end(library: Service) -> None:
    request = {"question": "Who created Hug?", "stream": True}
    names, texts, last = [], [], {}
    with library.client.stream("POST", "/v1/answer", json=request) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in response.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
                names.append(name)
            if line.startswith("data: "):
                last = json.loads(line.removeprefix("data: "))
                texts += [last["text"]] if name == "delta" else []

    assert names[0] == "passages"
    assert names[-1] == "done"
    assert [name for name in names if name in ("done", "error", "cancelled")] == ["done"]
    deltas = [index for index, name in enumerate(names) if name == "delta"]
    # a quote is there at once: nothing of it is chosen, so nothing of it is computed
    assert deltas
    assert max(deltas) < names.index("citation")
    assert "".join(texts) == last["answer"]


def test_same_question_gives_the_same_answer(library: Service) -> None:
    first, second = (library.ask("Who created Hug?") for _ in range(2))

    assert (first["answer"], first["confidence"]) == (second["answer"], second["confidence"])
    assert first["receipt"]["passages"] == second["receipt"]["passages"]


def test_deleted_document_never_answers_again(place: Place) -> None:
    question = "Who created Hug?"
    with serving(place) as service:
        document = service.add(DOCUMENTS / "fastapi-alternatives.pdf")["document_id"]
        other = service.add(DOCUMENTS / "sobre-https.md")["document_id"]
        assert service.ask(question)["status"] == "answered"

        purged = service.client.delete(f"/v1/documents/{document}").json()["purged"]
        assert purged["versions"] == 1
        assert purged["chunks"] == purged["vectors"] > 10

        answer = service.ask(question)
        assert answer["status"] == "refused", answer
        assert answer["citations"] == []
        assert {passage["document_id"] for passage in answer["passages"]} <= {other}
        assert service.client.get(f"/v1/documents/{document}").status_code == 404

    verified = place.run("verify", "--json")
    assert verified.returncode == 0, verified.stdout


def test_killed_service_finishes_the_document_after_a_restart(place: Place) -> None:
    with serving(place) as service:
        accepted = service.upload(DOCUMENTS / "fastapi-alternatives.pdf")
        service.kill()

    with serving(place) as service:
        job = service.wait_for_job(accepted["job_id"])
        assert job["state"] == "searchable", job
        assert service.ask("Who created Hug?")["status"] == "answered"

    verified = place.run("verify", "--json")
    assert verified.returncode == 0, verified.stdout


def test_command_line_adds_and_answers_without_a_service(place: Place) -> None:
    added = place.run("add", str(DOCUMENTS / "sobre-https.md"))
    assert added.returncode == 0, added.stderr

    asked = place.run("ask", "¿Cuánto duran los certificados de Let's Encrypt?", "--json")
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["status"] == "answered"
    assert "3 meses" in answer["citations"][0]["quote"]
