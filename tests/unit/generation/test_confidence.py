"""Confidence grows with what speaks for an answer, and is nothing without evidence."""

from dataclasses import replace

from generation.confidence import evidence_confidence, features
from generation.evidence import Evidence, find_sentences
from tests.unit.generation.passages import make_passage

QUESTION = "How long is the old bridge over the river?"
FOUND = find_sentences([make_passage("The old bridge over the river is ninety metres long.")])[0]


def seen(similarity: float, coverage: float) -> list[Evidence]:
    rest = replace(FOUND, similarity=0.77, coverage=0.0)
    return [replace(FOUND, similarity=similarity, coverage=coverage), *[rest] * 9]


def test_nothing_found_is_no_confidence() -> None:
    assert evidence_confidence(QUESTION, []) == 0.0
    assert features([]) == (0.0, 0.0, 0.0)


def test_confidence_is_a_probability_that_grows_with_similarity_and_words() -> None:
    weak, near, sure = (
        evidence_confidence(QUESTION, seen(*values))
        for values in ((0.78, 0.0), (0.85, 0.3), (0.90, 1.0))
    )

    assert 0 < weak < 0.05 < near < 0.95 < sure < 1


def test_words_that_cannot_match_across_languages_are_missed_less() -> None:
    spanish = "¿Cuánto mide el puente viejo sobre el río?"

    across = evidence_confidence(spanish, seen(0.88, 0.0))

    assert across > evidence_confidence(QUESTION, seen(0.88, 0.0))


def test_lead_is_over_the_tenth_sentence_or_the_last() -> None:
    assert features(seen(0.90, 1.0))[2] == 0.90 - 0.77
    assert features(seen(0.90, 1.0)[:1])[2] == 0.0
