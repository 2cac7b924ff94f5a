"""What redaction leaves of an answer: only what rests on documents that are still there."""

from typing import Any

from core.redaction import redact, sources_of

TEXT = "The pool opens at nine. The bakery sells bread. Both are closed."


def span(document_id: str, **more: object) -> dict[str, Any]:
    return {"document_id": document_id, "version": 1, **more}


def response() -> dict[str, Any]:
    """Three sentences: one from each of two documents, and one from nowhere."""
    starts = [0, 24, 48]
    ends = [23, 47, len(TEXT)]
    cited = [[1], [2], []]
    return {
        "id": "ans_1",
        "status": "partial",
        "answer": TEXT,
        "sentences": [
            {"start": start, "end": end, "support": 1.0, "citations": numbers}
            for start, end, numbers in zip(starts, ends, cited, strict=True)
        ],
        "citations": [span("pool", n=1, quote="nine"), span("bakery", n=2, quote="bread")],
        "passages": [span("pool", text="nine"), span("bakery", text="bread")],
        "receipt": {"passages": [span("pool", sha256="aa"), span("bakery", sha256="bb")]},
        "confidence": 0.5,
        "reasoning": "the pool, then the bakery",
    }


def test_only_sentences_that_rest_on_what_is_there_stay() -> None:
    left = redact(response(), {("pool", 1)})
    assert left["answer"] == "The bakery sells bread."
    sentence = left["sentences"][0]
    assert left["answer"][sentence["start"] : sentence["end"]] == left["answer"]
    assert sentence["citations"] == [2]
    assert [each["n"] for each in left["citations"]] == [2]
    assert sources_of(left) == {("bakery", 1)}


def test_a_sentence_that_rests_on_both_goes() -> None:
    both = response()
    both["sentences"][1]["citations"] = [1, 2]
    assert redact(both, {("pool", 1)})["answer"] == ""


def test_reasoning_goes_whole_and_so_does_any_field_it_does_not_know() -> None:
    unknown = {**response(), "novel": "nine"}
    left = redact(unknown, {("pool", 1)})
    assert "reasoning" not in left
    assert "novel" not in left


def test_the_hash_of_a_deleted_text_goes_and_its_ids_stay() -> None:
    passages = redact(response(), {("pool", 1)})["receipt"]["passages"]
    assert passages == [span("pool", sha256=None), span("bakery", sha256="bb")]


def test_another_version_of_the_same_document_is_another_source() -> None:
    assert redact(response(), {("pool", 2)}) == response()


def test_marks_add_up_and_redacting_again_changes_nothing() -> None:
    once = redact(response(), {("pool", 1)})
    assert redact(once, {("pool", 1)}) is once
    twice = redact(once, {("bakery", 1)})
    assert twice["withdrawn"] == [span("pool"), span("bakery")]
    assert (twice["answer"], twice["sentences"]) == ("", [])


def test_the_answer_given_is_not_changed() -> None:
    before = response()
    redact(before, {("pool", 1)})
    assert before == response()


def shown_an_example() -> dict[str, Any]:
    """An answer whose model was shown an example from a third document."""
    answer = response()
    examples = [{"id": "ans_0", "sources": [span("ferry")]}, {"id": "1", "sources": []}]
    return {**answer, "receipt": {**answer["receipt"], "examples": examples}}


def test_what_an_example_said_goes_with_its_document_and_the_citations_stay() -> None:
    left = redact(shown_an_example(), {("ferry", 1)})
    assert "reasoning" not in left
    assert left["answer"] == "The pool opens at nine. The bakery sells bread."
    assert left["citations"] == response()["citations"]
    assert left["withdrawn"] == [span("ferry")]
    assert left["receipt"]["examples"] == [
        {"id": "ans_0", "sources": []},
        {"id": "1", "sources": []},
    ]
    assert sources_of(left) == {("pool", 1), ("bakery", 1)}
    assert redact(left, {("ferry", 1)}) is left
