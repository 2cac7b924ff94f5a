"""Evaluation runs after a deletion: no word of what was deleted is left in any of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from core.access import Access
from core.evaluation_tables import EvaluationSourceRow
from core.ids import DocumentId
from core.tables import VersionRow
from core.verify import check_evaluations
from tests.unit.app.evaluation_runs import CEILING, OPENS, Stopping, done, get, start, stored
from tests.unit.app.house import House
from tests.unit.ingestion.test_deletion import files_that_say

MARKER = "zebrawood"
SECRET = f"The swimming pool opens at {MARKER} in the morning."


@pytest.fixture
def secret(house: House) -> Iterator[tuple[House, str]]:
    document_id = house.add("secret.txt", SECRET)
    yield house, document_id
    # whatever was done to it, nothing quotes what is gone
    assert check_evaluations(house.services.database, repair=False).findings == ()


def test_a_deleted_document_leaves_no_word_in_any_run(secret: tuple[House, str]) -> None:
    house, document_id = secret
    own = done(house, {**OPENS, "answers": [MARKER], "gold_quote": SECRET})
    house.generator.reply = f"When does the swimming pool open at {MARKER}?"
    generated = done(house, generate=1)
    house.generator.reply = None
    asked = house.client.post(
        "/v1/answer", json={"question": OPENS["question"], "min_confidence": 0}
    ).json()
    house.client.post(f"/v1/answers/{asked['id']}/feedback", json={"rating": "up"})
    judged = done(house, from_feedback=True)
    refused = done(house, CEILING, min_confidence=1)
    assert MARKER in stored(house)
    figures = [run["figures"] for run in (own, generated, judged, refused)]

    assert house.client.delete(f"/v1/documents/{document_id}").status_code == 200

    for run, before in zip((own, generated, judged, refused), figures, strict=True):
        assert get(house, run)["figures"] == before
        (case,) = get(house, run, part="/report")["cases"]
        assert case["withdrawn"]
        assert (case["answer"], case["read"], case["citations"]) == ("", [], [])
        is_own = run["source"] == "uploaded"
        assert bool(case["question"]) == is_own
        assert get(house, run, part="/report")["manifest"]["cases_sha256"] is None
        page = house.client.get(f"/v1/evaluations/{run['id']}/report?format=html").text
        assert MARKER not in page
        assert house.client.get(f"/v1/evaluations/{run['id']}/questions").text == ""
    for word in (MARKER, "secret.txt", document_id):
        assert word not in stored(house)
    assert files_that_say(house.services.settings.data_dir, MARKER) == []
    assert files_that_say(house.services.settings.data_dir, "secret.txt") == []


def test_a_question_that_waits_loses_a_quote_of_what_is_deleted(
    secret: tuple[House, str],
) -> None:
    house, document_id = secret
    # upper case and line breaks make no other quote of it
    run = start(house, {**OPENS, "gold_quote": SECRET.upper().replace(" ", "\n")}, CEILING)

    house.client.delete(f"/v1/documents/{document_id}")

    assert MARKER.upper() not in stored(house)
    house.evaluate()
    ended = get(house, run)
    assert (ended["state"], ended["done"], ended["total"]) == ("done", 2, 2)
    assert ended["funnel"]["not judged"] == 1


def test_a_quote_that_was_found_nowhere_is_not_kept(pool: House) -> None:
    run = done(pool, {"question": "Who sells bread?", "gold_quote": f"The {MARKER} bakery does."})
    assert MARKER not in stored(pool)
    assert get(pool, run)["funnel"]["not retrieved"] == 1


def test_a_document_deleted_while_it_is_asked_about_leaves_nothing(tmp_path: Path) -> None:
    generator = Stopping(after=1)
    house = House(tmp_path / "data", generator=generator)
    document_id = DocumentId(house.add("secret.txt", SECRET))
    generator.do = lambda: house.services.documents.delete(document_id, Access.to_everything())

    run = done(house, OPENS, CEILING)

    assert (run["state"], run["done"]) == ("done", 2)
    assert get(house, run, part="/report")["cases"][0]["withdrawn"]
    assert MARKER not in stored(house)
    assert check_evaluations(house.services.database, repair=False).findings == ()
    house.close()


def test_what_rests_on_other_documents_stays(pool: House) -> None:
    pool.client.post("/v1/collections", json={"name": "other"})
    document_id = pool.add("bread.txt", "The bakery sells rye bread.", "other")
    run = done(pool, OPENS, collections=["default"])
    before = get(pool, run, part="/report")
    pool.client.delete(f"/v1/documents/{document_id}")
    assert get(pool, run, part="/report") == before


def test_the_database_refuses_a_deletion_that_leaves_evidence_behind(pool: House) -> None:
    done(pool, OPENS)
    with pytest.raises(IntegrityError), pool.services.database.session_scope() as session:
        session.execute(delete(VersionRow))


def test_verification_finds_and_mends_a_run_that_quotes_what_is_gone(
    secret: tuple[House, str],
) -> None:
    house, document_id = secret
    done(house, OPENS)
    database = house.services.database
    with database.session_scope() as session:
        session.execute(delete(EvaluationSourceRow))
    checked = check_evaluations(database, repair=False)
    assert [each.kind for each in checked.findings] == ["missing_source"]
    house.client.delete(f"/v1/documents/{document_id}")
    assert MARKER in stored(house)
    checked = check_evaluations(database, repair=False)
    assert [each.kind for each in checked.findings] == ["orphan_quote"]
    assert all(each.mended for each in check_evaluations(database, repair=True).findings)
    assert MARKER not in stored(house)


def test_a_source_that_was_forgotten_is_mended(secret: tuple[House, str]) -> None:
    house, document_id = secret
    done(house, OPENS)
    database = house.services.database
    with database.session_scope() as session:
        session.execute(delete(EvaluationSourceRow))
    assert check_evaluations(database, repair=True).num_checked == 1
    house.client.delete(f"/v1/documents/{document_id}")
    assert MARKER not in stored(house)
