"""Rows far below the header of their table are found by it and read with it, and stay slices."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from core.merging import Workshop
from core.types import Passage
from generation.prompts import load_prompt
from ingestion.reembedding import change_model
from ingestion.uploads import Accepted
from retrieval.types import Mode, Refining
from tests.unit.ingestion.house import EVERYTHING, HookedEmbedder, House
from tests.unit.ingestion.test_versions import retriever_of

HEADER = "| town | population |\n| --- | --- |"
TABLE = "town,population\n" + "".join(f"Villa {n} del Monte,{n}4{n}\n" for n in range(200))


class Recorder(HookedEmbedder):
    """Keeps what it is given to embed."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model
        self.texts: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N passages -> (N, D)."""
        self.texts += texts
        return super().embed_passages(texts)


@pytest.fixture
def table(house: House) -> Accepted:
    return house.add("towns.csv", TABLE.encode())


def _find(house: House, query: str, *, neighbours: int = 0) -> list[Passage]:
    return retriever_of(house).retrieve(
        query,
        access=EVERYTHING,
        top_k=50,
        mode=Mode.LEXICAL,
        refining=Refining(keep_duplicates=True, neighbours=neighbours),
    )


def test_words_of_the_header_find_every_chunk_of_the_table(house: House, table: Accepted) -> None:
    found = sorted(_find(house, "population"), key=lambda passage: passage.start)
    assert len(found) == len(house.searchable_chunks()) > 2
    first, *others = found
    assert first.table_header is None
    assert {passage.table_header for passage in others} == {HEADER}
    text = house.documents.text(table.document_id, EVERYTHING, number=None).text
    for passage in found:
        assert passage.text == text[passage.start : passage.end]
    assert all("population" not in passage.text for passage in others)


def test_the_model_reads_the_rows_below_their_header(house: House, table: Accepted) -> None:
    (passage, *_) = _find(house, "199")
    *_, user = load_prompt("direct").render("How many?", [passage], "en")
    assert f"towns.csv\n{HEADER}\n| Villa" in user.content
    assert passage.document_id == table.document_id


def test_joined_rows_have_a_header_unless_they_begin_with_it(house: House, table: Accepted) -> None:
    (last,) = _find(house, "199", neighbours=1)
    (whole,) = _find(house, "199", neighbours=50)
    assert last.table_header == HEADER
    assert whole.table_header is None
    assert whole.text.startswith(HEADER)
    assert len(whole.text) > len(last.text) > 0
    assert whole.document_id == table.document_id


def test_another_model_embeds_what_the_first_one_did(house: House) -> None:
    first, second = Recorder("first"), Recorder("second")
    house.embedder = first
    house.add("towns.csv", TABLE.encode())
    assert sum(HEADER in text for text in first.texts) == len(first.texts) > 2
    assert change_model(Workshop(house.database, house.store.segments), second)
    assert second.texts == first.texts
