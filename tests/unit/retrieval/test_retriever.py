"""What a search returns, and what it must never return."""

from core.access import Access
from tests.library import Library

EVERYTHING = Access.to_everything()


def test_empty_index_gives_no_passages(library: Library) -> None:
    assert library.retriever().retrieve("anything", access=EVERYTHING, top_k=5) == []


def test_nearest_chunk_comes_first_with_its_source(library: Library) -> None:
    collection = library.default_collection()
    document = library.publish(collection, "bridge.txt", ["the bridge opened", "cats sleep"])

    first = library.retriever().retrieve("bridge opened", access=EVERYTHING, top_k=2)[0]

    assert (first.text, first.document_id, first.document_name) == (
        "the bridge opened",
        document,
        "bridge.txt",
    )
    assert first.score > first.scores["dense"]
    assert 0 < first.scores["lexical"] <= 1


def test_passages_of_many_segments_are_ordered_together(library: Library) -> None:
    collection = library.default_collection()
    for number in range(5):
        library.publish(collection, f"{number}.txt", [f"river {'stone ' * number}"])

    passages = library.retriever().retrieve("river", access=EVERYTHING, top_k=3)

    assert [passage.document_name for passage in passages] == ["0.txt", "1.txt", "2.txt"]
    scores = [passage.score for passage in passages]
    assert scores == sorted(scores, reverse=True)


def test_deleted_document_is_gone_at_commit_for_an_open_reader(library: Library) -> None:
    collection = library.default_collection()
    retriever = library.retriever()
    document = library.publish(collection, "secret.txt", ["the secret word"])
    library.publish(collection, "other.txt", ["another word"])
    assert retriever.retrieve("secret", access=EVERYTHING, top_k=1)[0].document_id == document

    library.delete(document)

    names = {p.document_name for p in retriever.retrieve("secret", access=EVERYTHING, top_k=5)}
    assert names == {"other.txt"}


def test_deleted_chunks_do_not_eat_the_top_k(library: Library) -> None:
    collection = library.default_collection()
    for number in range(20):
        doomed = library.publish(collection, f"doomed{number}", ["exactly the question"])
        library.delete(doomed)
    library.publish(collection, "kept.txt", ["something about the question", "and more"])

    passages = library.retriever().retrieve("exactly the question", access=EVERYTHING, top_k=2)

    assert [passage.document_name for passage in passages] == ["kept.txt", "kept.txt"]


def test_row_that_vanished_without_a_tombstone_is_not_returned(library: Library) -> None:
    collection = library.default_collection()
    document = library.publish(collection, "ghost.txt", ["a ghost"])
    library.delete(document, tombstones=False)

    assert library.retriever().retrieve("a ghost", access=EVERYTHING, top_k=5) == []


def test_foreign_collection_is_never_searched(library: Library) -> None:
    mine, theirs = library.default_collection(), library.add_collection("theirs")
    library.publish(theirs, "theirs.txt", ["salary of the director"])
    library.publish(mine, "mine.txt", ["a holiday calendar"])

    passages = library.retriever().retrieve(
        "salary of the director", access=Access(frozenset({mine})), top_k=5
    )

    assert [passage.document_name for passage in passages] == ["mine.txt"]


def test_access_to_nothing_finds_nothing(library: Library) -> None:
    library.publish(library.default_collection(), "a.txt", ["text"])

    assert library.retriever().retrieve("text", access=Access(frozenset()), top_k=5) == []


def test_narrowing_never_widens(library: Library) -> None:
    mine, theirs = library.default_collection(), library.add_collection("theirs")

    assert not Access(frozenset({mine})).narrowed_to([theirs]).allows(theirs)


def test_vectors_of_another_embedding_model_are_not_mixed_in(library: Library) -> None:
    library.publish(library.default_collection(), "a.txt", ["text"])
    library.embedder.model = "another-model"

    assert library.retriever().retrieve("text", access=EVERYTHING, top_k=5) == []
