"""Search over HTTP: what a request can ask for beyond the nearest passages."""

from contextlib import closing
from pathlib import Path

import pytest

from app.wiring import build_reranker
from core.errors import SettingsError
from core.settings import RetrievalSettings, Settings
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
    assert all(passage["score"] == passage["scores"]["rerank"] for passage in found)
    assert all("rerank" not in passage["scores"] for passage in plain["passages"])


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
