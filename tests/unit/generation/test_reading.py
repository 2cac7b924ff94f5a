"""A model that was trained to read says which words answer; their sentence is what is shown."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import pytest

from core.types import Passage
from generation.answer import AnswerOptions, answer
from generation.confidence import BUILT_IN, Reading
from generation.evidence import Evidence, EvidenceRanker
from generation.extracting import NO_POINTER, ExtractedSpan, Extraction, Pointer
from generation.reading import REFUSALS, find_reply, is_refusal
from generation.types import Answer, Cancelled, Finished, Message, Sampling
from tests.fakes import FakeEmbedder
from tests.fakes_generation import FakeGenerator
from tests.unit.generation.passages import make_passage

STORED: Final = (
    "The museum opens at nine in the morning. Tickets cost twelve euros for every adult. "
    "Dogs must wait at the door of the garden."
)
QUESTION: Final = "How much do tickets cost for an adult?"
COST: Final = "Tickets cost twelve euros for every adult."


class Reader(FakeGenerator):
    """Writes its reply; `doubt` and `reply_nats` are the log-likelihoods of refusal and reply, and
    `likes` has those of others.
    """

    def __init__(
        self,
        *,
        reply: str = "",
        replies: Sequence[str] = (),
        doubt: float,
        reply_nats: float = -1.0,
        likes: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        super().__init__(reply=reply, replies=replies)
        self._scores = [doubt, reply_nats]
        self._likes = likes

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
    ) -> list[float]:
        if continuations[0] != REFUSALS["en"]:
            return [self._likes.get(text, -9.0) for text in continuations]
        return self._scores[: len(continuations)]


class Finger:
    """Points, in each passage, at those of some words that it holds, as likely as is said."""

    name = "finger@1"

    def __init__(self, *, no_answer: float = 0.1, **chances: float) -> None:
        """The words with underlines for spaces."""
        self._chances = {words.replace("_", " "): chance for words, chance in chances.items()}
        self._no_answer = no_answer

    def point(self, question: str, passages: Sequence[str]) -> list[Extraction]:
        assert question == QUESTION
        return [self._point(text) for text in passages]

    def _point(self, text: str) -> Extraction:
        spans = [
            ExtractedSpan(words, text.find(words), text.find(words) + len(words), chance)
            for words, chance in self._chances.items()
            if words in text
        ]
        return Extraction(tuple(spans), self._no_answer if spans else 0.99)


def ask(
    reader: Reader,
    *passages: Passage,
    min_confidence: float = 0.0,
    pointer: Pointer = NO_POINTER,
) -> Answer:
    *_, last = answer(
        QUESTION,
        passages or [make_passage(STORED)],
        generator=reader,
        ranker=EvidenceRanker(FakeEmbedder()),
        options=AnswerOptions(
            Sampling(), min_confidence=min_confidence, style="read", pointer=pointer
        ),
        cancelled=lambda: False,
    )
    assert isinstance(last, Finished)
    return last.answer


def evidence_of(best: str, other: str) -> list[Evidence]:
    """Two sentences of a passage, the second much less like the question."""
    passage = make_passage(f"{best} {other}")
    return [
        Evidence(passage, 0, len(best), best, similarity=0.9),
        Evidence(passage, len(best) + 1, len(passage.text), other, similarity=0.5),
    ]


def test_the_reply_stands_above_its_sentence_and_both_are_cited() -> None:
    given = ask(Reader(reply="twelve euros", doubt=-5.0))

    assert given.status == "answered"
    assert given.text == f"twelve euros\n{COST}"
    assert [sentence.support for sentence in given.sentences] == [1.0, 1.0]
    assert {citation.quote for citation in given.citations} == {COST}


def test_the_reply_chooses_the_sentence() -> None:
    """Ranking alone would have quoted the sentence about tickets."""
    given = ask(Reader(reply="nine in the morning", doubt=-5.0))

    assert given.text.startswith("nine in the morning\nThe museum opens at nine in the morning.")


def test_of_several_replies_the_one_that_the_others_bear_out_is_shown() -> None:
    replies = ["nine in the morning", "twelve euros", "twelve euros for every adult"]

    assert ask(Reader(replies=replies, doubt=-5.0)).text.startswith("twelve euros")


class Choosy(Reader):
    """Finds a refusal unlikely where a prompt speaks of adults, and likely where it does not."""

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
    ) -> list[float]:
        self._scores[0] = -9.0 if "for every adult" in messages[-1].content else -0.1
        return super().score(messages, continuations, adapter=adapter)


def test_a_reader_answers_from_the_passage_that_it_doubts_least() -> None:
    """Words of the other passage, which it would have written more often, cannot be written."""
    other = make_passage("Tickets for an adult cost ten euros in May.", version="ver_2")
    reader = Choosy(replies=["ten euros", "ten euros", "twelve euros"], doubt=0.0)

    assert ask(reader, other).text.startswith("ten euros")
    assert ask(reader, other, make_passage(STORED)).text.startswith("twelve euros")


MONTHS: Final = "Tickets for an adult cost nine euros in May and twelve euros in June."


def test_reader_and_extractor_choose_together_and_nothing_is_written() -> None:
    reader = Reader(reply="May", doubt=-5.0, likes={"nine euros": -1.0, "twelve euros": -1.0})
    passage = make_passage(MONTHS)

    for nine, twelve, expected in ((0.6, 0.3, "nine euros"), (0.3, 0.6, "twelve euros")):
        given = ask(reader, passage, pointer=Finger(nine_euros=nine, twelve_euros=twelve))
        assert given.text.startswith(expected)
    # what the extractor alone would have taken
    doubted = Reader(reply="May", doubt=-5.0, likes={"twelve euros": -1.0})
    pointer = Finger(nine_euros=0.6, twelve_euros=0.3)
    assert ask(doubted, passage, pointer=pointer).text.startswith("twelve euros")


def test_what_goes_over_a_sentence_is_not_pointed_at_and_the_reader_writes() -> None:
    pointer = Finger(**{"morning._Tickets": 0.9})

    assert ask(Reader(reply="twelve euros", doubt=-5.0), pointer=pointer).text.startswith("twelve")


def test_the_doubt_of_an_extractor_chooses_the_passage() -> None:
    other = make_passage("Tickets for an adult cost ten euros in May.", version="ver_2")
    reader = Reader(reply="May", doubt=-5.0)

    for words in ("ten euros", "twelve euros"):
        pointer = Finger(**{words.replace(" ", "_"): 0.9})
        assert ask(reader, other, make_passage(STORED), pointer=pointer).text.startswith(words)


def test_the_doubt_of_an_extractor_counts_into_the_confidence() -> None:
    reader = Reader(reply="twelve euros", doubt=-5.0)
    sure, unsure = (
        ask(reader, pointer=Finger(twelve_euros=0.5, no_answer=chance)) for chance in (0.01, 0.9)
    )
    assert unsure.confidence < sure.confidence


def test_a_model_can_say_nothing_that_stands_nowhere() -> None:
    assert ask(Reader(reply="thirteen euros", doubt=-5.0)).text.endswith(COST)


def test_a_reader_who_leaves_reads_no_answer() -> None:
    events = answer(
        QUESTION,
        [make_passage(STORED)],
        generator=Reader(reply="twelve euros", doubt=-5.0),
        ranker=EvidenceRanker(FakeEmbedder()),
        options=AnswerOptions(Sampling(), min_confidence=0.0, style="read"),
        cancelled=lambda: True,
    )
    assert list(events) == [Cancelled()]


def test_doubt_counts_into_the_confidence_and_refuses() -> None:
    sure = ask(Reader(reply="twelve euros", doubt=-5.0))
    unsure = Reader(reply="twelve euros", doubt=-0.5)
    assert 0 < ask(unsure).confidence < sure.confidence
    assert ask(unsure).status == "answered"

    assert ask(unsure, min_confidence=0.9 * sure.confidence).status == "refused"


def test_a_reply_that_the_reader_finds_unlikely_lowers_the_confidence() -> None:
    likely = ask(Reader(reply="twelve euros", doubt=-5.0, reply_nats=-0.5))
    unlikely = ask(Reader(reply="twelve euros", doubt=-5.0, reply_nats=-9.0))
    assert 0 < unlikely.confidence < likely.confidence


def test_a_reader_may_be_surer_than_the_evidence_alone() -> None:
    evidence_alone = BUILT_IN.reading.chance(Reading(0.02, refusal=-5.0, reply=-1.0))
    sure = BUILT_IN.reading.chance(Reading(0.02, refusal=-12.0, reply=-0.05))
    assert sure > evidence_alone


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_no_likelihood_is_too_small_or_too_large(certain: float) -> None:
    for refusal in (0.0, -1e4, math.log(0.5)):
        chance = BUILT_IN.reading.chance(Reading(certain, refusal=refusal, reply=-1e4))
        assert 0 <= chance <= 1


@pytest.mark.parametrize("text", ["Not in the passages.", " NOT in  the passages", REFUSALS["es"]])
def test_refusals_are_known_by_their_words(text: str) -> None:
    assert is_refusal(text)
    assert not is_refusal("Not twelve")


def test_a_reply_of_nearly_the_whole_sentence_is_not_said_twice() -> None:
    found = find_reply(COST, evidence_of(COST, "It rains."))

    assert found is not None
    assert found.text == COST


def test_what_the_ranking_thinks_more_of_is_quoted_beside_the_sentence_of_the_reply() -> None:
    found = find_reply("rains", evidence_of(COST, "Tomorrow it rains again, says the radio."))

    assert found is not None
    assert found.text == f"rains\n{COST}\nTomorrow it rains again, says the radio."
    assert found.evidence[0].text == "Tomorrow it rains again, says the radio."


@pytest.mark.parametrize("reply", ["", " . ", "[1]", "cost twelve", "cost twelve euro"])
def test_a_reply_is_whole_words_of_a_sentence(reply: str) -> None:
    found = find_reply(reply, evidence_of(COST, "It rains."))
    assert (found is not None) == (reply == "cost twelve")
