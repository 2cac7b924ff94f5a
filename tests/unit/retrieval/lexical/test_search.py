"""What the words of a question find."""

import numpy as np
import pytest

from core.access import Access
from core.types import Passage
from retrieval.lexical.analysis import query_terms
from retrieval.lexical.search import build_query, search_lexical
from retrieval.types import Mode
from tests.library import Library

EVERYTHING = Access.to_everything()


def find(library: Library, query: str, *, access: Access = EVERYTHING) -> list[Passage]:
    return library.retriever().retrieve(query, access=access, top_k=5, mode=Mode.LEXICAL)


def names(passages: list[Passage]) -> list[str]:
    return [passage.document_name for passage in passages]


def test_inflected_words_are_found_in_the_language_of_the_document(library: Library) -> None:
    collection = library.default_collection()
    library.publish(collection, "es.txt", ["Los niños cantaban canciones"], language="es")
    library.publish(collection, "en.txt", ["Children were singing songs"], language="en")

    assert names(find(library, "canción")) == ["es.txt"]
    assert names(find(library, "song")) == ["en.txt"]


def test_codes_rank_the_chunk_that_has_them_whole(library: Library) -> None:
    collection = library.default_collection()
    library.publish(collection, "parts.txt", ["form 200 of series x, annex b"])
    library.publish(collection, "whole.txt", ["fill in form X-200/b"])

    assert names(find(library, "x-200/b"))[0] == "whole.txt"


def test_name_and_heading_are_words_of_the_chunk(library: Library) -> None:
    library.publish(library.default_collection(), "holidays.txt", ["Thirty days a year"])

    assert names(find(library, "holidays.txt")) == ["holidays.txt"]


@pytest.mark.parametrize(
    "query",
    [
        'text:secret OR *:* "a phrase"~2 AND (open',
        "kind:mark",
        "collection:x id:[0 TO 9]",
        "'; DROP TABLE chunks; --",
        "a* ?b /.*/ ^5 \\",
        "\x00secret\x1b[0m",
    ],
)
def test_syntax_in_a_query_is_text(library: Library, query: str) -> None:
    library.publish(library.default_collection(), "a.txt", ["nothing of this"])

    assert names(find(library, query)) in ([], ["a.txt"])


@pytest.mark.parametrize("query", ["", "  ", "¿?", "\x00"])
def test_query_without_words_finds_nothing(library: Library, query: str) -> None:
    library.publish(library.default_collection(), "a.txt", ["text"])

    assert find(library, query) == []


def test_very_long_query_goes_by_its_rarest_words(library: Library) -> None:
    collection = library.default_collection()
    library.publish(collection, "common.txt", ["water water everywhere"])
    library.publish(collection, "rare.txt", ["the zymurgy of water"])
    filler = " ".join(f"word{number}" for number in range(12_000))

    assert len(filler) > 100_000
    assert names(find(library, f"water {filler} zymurgy"))[:1] in ([], ["rare.txt"])
    assert names(find(library, f"zymurgy {'water ' * 20_000}"))[0] == "rare.txt"


def test_foreign_collections_are_not_searched(library: Library) -> None:
    mine, theirs = library.default_collection(), library.add_collection("theirs")
    for number in range(20):
        library.publish(theirs, f"theirs{number}.txt", ["salary salary salary"])
    library.publish(mine, "mine.txt", ["a word on the salary, among many others"])

    assert names(find(library, "salary", access=Access(frozenset({mine})))) == ["mine.txt"]
    assert find(library, "salary", access=Access(frozenset())) == []


@pytest.mark.parametrize("num_allowed", [3, 60])
def test_allowed_chunks_fill_the_top_k_however_rare(
    library: Library, monkeypatch: pytest.MonkeyPatch, num_allowed: int
) -> None:
    monkeypatch.setattr("retrieval.lexical.search._MAX_LISTED", 10)
    texts = [f"pool {'water ' * (number % 7)}" for number in range(300)]
    library.publish(library.default_collection(), "pool.txt", texts)
    view = library.lexical().current()
    asked = build_query(view, query_terms("pool"))
    assert asked is not None
    allowed = np.sort(np.random.default_rng(1).permutation(view.chunk_ids())[:num_allowed])

    hits = search_lexical(view, asked, access=EVERYTHING, top_k=20, allowed=allowed)

    everything = search_lexical(view, asked, access=EVERYTHING, top_k=300)
    expected = [hit for hit in everything if hit.chunk_id in set(allowed.tolist())]
    assert [hit.score for hit in hits] == [hit.score for hit in expected[:20]]
    assert {hit.chunk_id for hit in hits} <= set(allowed.tolist())


def test_scores_are_shares_of_the_best_possible(library: Library) -> None:
    collection = library.default_collection()
    library.publish(collection, "whole.txt", ["blue heron"])
    library.publish(collection, "half.txt", ["heron and other birds of the marsh"])

    best, other = find(library, "blue heron")

    assert 0 < other.scores["lexical"] < best.scores["lexical"] <= 1
