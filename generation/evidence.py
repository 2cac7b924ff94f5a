"""Sentences of the passages, ranked by how well they answer a question. Writes nothing."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from core.embedding import Embedder
from core.types import Passage
from generation.instructions import find_instructions
from generation.rarity import QuestionWords
from generation.sentences import split_sentences
from generation.words import stems

# Fitted on XQuAD questions with their paragraph: the best sentence holds the answer for 0.88
# (English) and 0.85 (Spanish); cosine alone 0.82 and 0.80, words alone 0.84 and 0.83.
_COVERAGE_WEIGHT: Final = 0.25
_HEADING_SHARE: Final = 0.8
# Shorter ones are list bullets and page furniture.
_MIN_STEMS: Final = 3
# A line without a stop and with so few words is a heading or a name: it says what the text is
# about, so it is near to every question, and answers none.
_MIN_UNSTOPPED_STEMS: Final = 8
_STOPS: Final = (".", "!", "?", "…", ".)", '."', ".”", ".»", ";", ":")
_LIST_ITEM: Final = re.compile(r"[-*•+|]|\d{1,3}[.)]\s")
_MAX_SENTENCE_CHARS: Final = 1200


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of a passage. `start` and `end` are offsets into the version's stored text.

    `similarity` is the cosine of question and sentence; `coverage` (0 to 1) is the share of the
    question's words, weighed by rarity among the candidates, that the sentence holds; what only its
    heading holds counts a little less.
    """

    passage: Passage
    start: int
    end: int
    text: str
    similarity: float = 0.0
    coverage: float = 0.0

    @property
    def relevance(self) -> float:
        """What the ranking goes by."""
        return self.similarity + _COVERAGE_WEIGHT * self.coverage


class EvidenceRanker:
    """Ranks sentences by meaning and by words. Thread-safe."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def rank(self, question: str, passages: Sequence[Passage]) -> list[Evidence]:
        """Every sentence of the passages, best first; none that tells a machine what to answer."""
        found = _without_instructions(question, find_sentences(passages))
        if not found:
            return []
        query = self._embedder.embed_queries([question])[0]  # (D,)
        vectors = self._embedder.embed_passages([_in_place(item) for item in found])  # (N, D)
        similarities = vectors @ query  # (N,)
        coverages = _coverages(question, found)
        ranked = [
            Evidence(item.passage, item.start, item.end, item.text, float(similarity), coverage)
            for item, similarity, coverage in zip(found, similarities, coverages, strict=True)
        ]
        return sorted(ranked, key=lambda item: item.relevance, reverse=True)


def find_sentences(passages: Sequence[Passage]) -> list[Evidence]:
    """The sentences of the passages, once each and whole where some passage holds the whole.

    Chunks that overlap share sentences, and may begin or end inside one.
    """
    found: dict[tuple[str, int, int], Evidence] = {}
    for passage in passages:
        for start, end in split_sentences(passage.text):
            text = passage.text[start:end]
            if not _can_answer(text):
                continue
            place = (passage.version_id, passage.start + start, passage.start + end)
            found.setdefault(place, Evidence(passage, place[1], place[2], text))
    fragments = _fragments(found)
    return [evidence for place, evidence in found.items() if place not in fragments]


def _without_instructions(question: str, found: Sequence[Evidence]) -> list[Evidence]:
    # whatever it says, it was written to be obeyed: quoted, it would pass for an answer
    told: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for item in found:
        passage = item.passage
        place = (passage.version_id, passage.start)
        if place not in told:
            told[place] = [
                (passage.start + start, passage.start + end)
                for start, end in find_instructions(passage.text, question)
            ]
    spans = [(version, *span) for (version, _), inside in told.items() for span in inside]
    return [
        item
        for item in found
        if not any(
            version == item.passage.version_id and start < item.end and item.start < end
            for version, start, end in spans
        )
    ]


def _fragments(places: Collection[tuple[str, int, int]]) -> set[tuple[str, int, int]]:
    # in this order, what lies inside another place comes after it
    ordered = sorted(places, key=lambda place: (place[0], place[1], -place[2]))
    fragments = set()
    reached = ("", 0)  # version, and how far the places so far go in it
    for version, start, end in ordered:
        if version == reached[0] and end <= reached[1]:
            fragments.add((version, start, end))
        else:
            reached = (version, end)
    return fragments


def _can_answer(text: str) -> bool:
    num_stems = len(stems(text))
    if len(text) > _MAX_SENTENCE_CHARS or num_stems < _MIN_STEMS or text.startswith("#"):
        return False
    says_something = text.endswith(_STOPS) or num_stems >= _MIN_UNSTOPPED_STEMS
    return says_something or _LIST_ITEM.match(text) is not None


def _in_place(item: Evidence) -> str:
    # "it lasts three months" says little without the heading it stands under
    heading = _nearest_heading(item)
    return f"{heading}: {item.text}" if heading else item.text


def _nearest_heading(item: Evidence) -> str:
    return item.passage.heading.rpartition(" > ")[2]


def _coverages(question: str, found: Sequence[Evidence]) -> list[float]:
    own = [set(stems(item.text)) for item in found]
    above = [
        set(stems(_nearest_heading(item))) - held for item, held in zip(found, own, strict=True)
    ]
    words = QuestionWords.among(question, own)
    # A heading is shared by all that stands below it, so it tells less.
    return [
        words.share(held) + _HEADING_SHARE * words.share(heading)
        for held, heading in zip(own, above, strict=True)
    ]
