"""Search over HTTP: what a request can ask for beyond the nearest passages."""

from contextlib import closing
from pathlib import Path

import pytest

from app.judging_models import build_reranker
from core.errors import SettingsError
from core.retrieval_settings import RetrievalSettings
from core.settings import Settings
from generation.question_likelihood import QuestionLikelihood
from retrieval.cross_encoder import CrossEncoder
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import POOL, House


def test_reranking_where_no_reranker_is_set_is_refused_and_names_the_setting(
    still_house: House,
) -> None:
    response = still_house.client.post("/v1/search", json={"query": "dogs", "rerank": True})

    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "reranker_not_set")
    assert problem["errors"][0]["field"] == "rerank"
    assert "CIMIENTO_RETRIEVAL__RERANKER" in problem["detail"]


def test_reranked_passages_carry_the_score_that_orders_them(house: House) -> None:
    house.add("pool.txt", POOL)
    reranker = QuestionLikelihood(FakeGenerator())
    with closing(House(house.services.settings.data_dir, reranker=reranker)) as reranked:
        body = {"query": "dogs", "rerank": True}
        found = reranked.client.post("/v1/search", json=body).json()["passages"]
        plain = reranked.client.post("/v1/search", json=body | {"rerank": False}).json()

    assert found
    assert all(passage["score"] != passage["scores"]["dense"] for passage in found)
    assert all("rerank" in passage["scores"] for passage in found)
    assert all("rerank" not in passage["scores"] for passage in plain["passages"])


def test_a_joined_passage_is_a_slice_of_the_documents_text(house: House) -> None:
    sentences = [f"The pool has rule number {number} about towels." for number in range(60)]
    document = house.add("rules.txt", " ".join(sentences))
    text = house.client.get(f"/v1/documents/{document}/text").json()["text"]
    body = {"query": "rule number 7", "top_k": 3}

    apart = house.client.post("/v1/search", json=body).json()["passages"]
    (joined,) = house.client.post("/v1/search", json=body | {"neighbours": 5}).json()["passages"]

    assert len(apart) > 1
    assert joined["text"] == text[joined["start"] : joined["end"]]
    assert all(joined["start"] <= each["start"] < each["end"] <= joined["end"] for each in apart)


def test_copies_are_returned_only_where_they_are_asked_for(house: House) -> None:
    for name in ("one.txt", "two.txt"):
        house.add(name, POOL)
    found = {
        keep: house.client.post("/v1/search", json={"query": "dogs", "keep_duplicates": keep})
        for keep in (False, True)
    }

    assert len(found[True].json()["passages"]) == 2 * len(found[False].json()["passages"])


@pytest.mark.parametrize(
    "wrong", [{"diversity": 1.5}, {"diversity": "much"}, {"neighbours": 6}, {"merge": 1}]
)
def test_options_out_of_range_are_refused(still_house: House, wrong: dict[str, object]) -> None:
    response = still_house.client.post("/v1/search", json={"query": "dogs"} | wrong)

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == next(iter(wrong))


def reranker_of(name: str) -> object:
    """What a setting stands for."""
    settings = Settings(retrieval=RetrievalSettings(reranker=name))
    return build_reranker(settings, FakeGenerator())


def test_the_setting_names_the_reranker(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")

    assert isinstance(reranker_of("likelihood"), QuestionLikelihood)
    assert isinstance(reranker_of(str(tmp_path)), CrossEncoder)


def test_a_folder_without_a_model_is_a_bad_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CIMIENTO_RETRIEVAL__RERANKER"):
        reranker_of(str(tmp_path))
