"""The ways in which `benchmarks.reader` has a question answered: functions of the question."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.reader_sets import Asked
from generation.agreeing import choose_reply
from generation.evidence import Evidence, EvidenceRanker
from generation.extracting import NO_POINTER, Pointer
from generation.local import LocalGenerator
from generation.prompts import PromptTemplate
from generation.quoting import choose_quotes, quotation
from generation.reading import MAX_REPLY_TOKENS, REFUSALS, find_reply, readable_texts
from generation.replying import ReadersQuestion, find_replies
from generation.types import Message, Sampling

Answering = Callable[[Asked], str]
SHOTS: Final = (
    ("The bridge over the Ebro was opened in 1908.", "When was the bridge opened?", "1908"),
    ("Marie Dupont wrote the report in Lyon.", "Who wrote the report?", "Marie Dupont"),
    ("El museo tiene 14 salas y un jardín.", "¿Cuántas salas tiene el museo?", "14"),
)


@dataclass(frozen=True, slots=True)
class Reader:
    """A model, and the template whose questions it learnt."""

    generator: LocalGenerator
    template: PromptTemplate

    def ask(self, asked: Asked) -> list[Message]:
        return self.template.render(asked.question, asked.passages, asked.language)

    def write(self, asked: Asked, spans_of: Sequence[str] = ()) -> str:
        """The likeliest reply; of words of `spans_of`, where there are any."""
        return write(self.generator, self.ask(asked), spans_of)

    def doubt(self, asked: Asked) -> float:
        """Log-likelihood of a refusal."""
        return self.generator.score(self.ask(asked), [REFUSALS[asked.language]])[0]


def reading(reader: Reader, ranker: EvidenceRanker) -> Answering:
    """The likeliest token at every place: whole words of a sentence of the passages, else none."""

    def read(asked: Asked) -> str:
        evidence = ranker.rank(asked.question, asked.passages)
        return reader.write(asked, readable_texts(evidence))

    return read


def agreeing(reader: Reader, ranker: EvidenceRanker, pointer: Pointer = NO_POINTER) -> Answering:
    """As the service asks: from one passage; of several replies, the one the others bear out."""

    def read(asked: Asked) -> str:
        evidence = ranker.rank(asked.question, asked.passages)
        if not evidence:
            return ""
        question = ReadersQuestion(
            asked.question,
            lambda passage: reader.ask(asked.of(passage)),
            REFUSALS[asked.language],
            pointer,
        )
        replies = find_replies(
            reader.generator,
            question,
            evidence,
            Sampling(),
            cancelled=lambda: False,
        )
        return choose_reply(asked.question, replies.chances, evidence)

    return read


def pointing(pointer: Pointer) -> Answering:
    """The likeliest words that an extractor points at by itself, in all passages."""

    def point(asked: Asked) -> str:
        found = pointer.point(asked.question, [passage.text for passage in asked.passages])
        least = min(found, key=lambda extraction: extraction.no_answer)
        return least.spans[0].text if least.spans else ""

    return point


def remembering(answering: Answering) -> Answering:
    """The same, asking nothing twice."""
    replies: dict[tuple[str, ...], str] = {}

    def answer(asked: Asked) -> str:
        key = (asked.question, *(passage.text for passage in asked.passages))
        if key not in replies:
            replies[key] = answering(asked)
        return replies[key]

    return answer


def shown(generator: LocalGenerator) -> Answering:
    """With three examples first, for a model that was not trained to read."""

    def answer(asked: Asked) -> str:
        shots = "\n\n".join(f"{text}\nQ: {asks}\nA: {said}" for text, asks, said in SHOTS)
        text = "\n\n".join(passage.text for passage in asked.passages)
        prompt = (
            "Answer with the shortest span of the text, copied word for word.\n\n"
            f"{shots}\n\n{text}\nQ: {asked.question}\nA:"
        )
        return write(generator, [Message("user", prompt)]).strip().split("\n")[0]

    return answer


def shown_of(answering: Answering, ranker: EvidenceRanker) -> Answering:
    """What the service shows of a reply, in style `read`."""

    def answer(asked: Asked) -> str:
        evidence = ranker.rank(asked.question, asked.passages)
        found = find_reply(answering(asked), evidence)
        return _quote(evidence) if found is None else found.text

    return answer


def extractive(ranker: EvidenceRanker) -> Answering:
    """The sentences that the service quotes."""
    return lambda asked: _quote(ranker.rank(asked.question, asked.passages))


def _quote(evidence: Sequence[Evidence]) -> str:
    return quotation(choose_quotes(evidence)) if evidence else ""


def write(
    generator: LocalGenerator, messages: Sequence[Message], spans_of: Sequence[str] = ()
) -> str:
    sampling = Sampling(max_tokens=MAX_REPLY_TOKENS)
    pieces = generator.stream(messages, sampling, cancelled=lambda: False, spans_of=spans_of)
    return "".join(pieces).strip()
