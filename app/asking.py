"""A question to a full answer with its receipt: retrieve, write, place, re-check. Knows no HTTP."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from app.services import Services
from core.access import Access
from core.database import Database
from core.ids import AnswerId, ChunkId, DocumentId, new_id
from core.settings import GenerationSettings
from core.types import Box, Passage
from generation.answer import AnswerOptions, answer
from generation.generator import Generator
from generation.refusals import refuse
from generation.types import (
    Answer,
    Cancelled,
    Citation,
    Cited,
    Delta,
    Finished,
    Sampling,
)
from ingestion.collections import Collections
from ingestion.documents import Documents
from retrieval.passages import load_passages
from retrieval.retriever import Retriever
from retrieval.types import Hit


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, by whom, and how it is to be answered."""

    text: str
    access: Access
    top_k: int
    options: AnswerOptions
    # which documents: a filter as `retrieval.filters` has it
    where: object = None


@dataclass(frozen=True, slots=True)
class PlacedPassage:
    """A passage, and its rectangles on the page."""

    passage: Passage
    boxes: list[Box]


@dataclass(frozen=True, slots=True)
class PlacedCitation:
    """A citation, and the rectangles of its quote."""

    citation: Citation
    boxes: list[Box]


@dataclass(frozen=True, slots=True)
class ReceiptPassage:
    """Which text was read: its chunk, and the hash that proves it."""

    chunk_id: ChunkId
    document_id: DocumentId
    version: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an answer was made of, so that it can be explained and made again."""

    index_generation: int
    embedding_model: str
    model: str
    model_sha256: str
    prompt: str
    sampling: Sampling
    passages: tuple[ReceiptPassage, ...]
    left_out: tuple[ChunkId, ...]


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds from the question; `first_token_ms` is None where no token was written."""

    retrieve_ms: float
    first_token_ms: float | None
    total_ms: float


@dataclass(frozen=True, slots=True)
class PassagesFound:
    """The first event: what the answer will be written from."""

    id: AnswerId
    passages: tuple[PlacedPassage, ...]


@dataclass(frozen=True, slots=True)
class FullAnswer:
    """The last event: the whole answer, with everything that is known of it."""

    id: AnswerId
    answer: Answer
    citations: tuple[PlacedCitation, ...]
    passages: tuple[PlacedPassage, ...]
    receipt: Receipt
    timings: Timings


AskEvent = PassagesFound | Delta | PlacedCitation | FullAnswer | Cancelled


def ask(
    services: Services, question: Question, *, cancelled: Callable[[], bool]
) -> Iterator[AskEvent]:
    """Answer a question. The last event is exactly one of `FullAnswer` and `Cancelled`.

    No database session is held while the model writes.
    """
    asked = _Asked(services, question)
    passages = asked.retrieve()
    yield PassagesFound(asked.id, asked.placed)
    for event in answer(
        question.text,
        passages,
        generator=services.generator,
        ranker=services.ranker,
        options=question.options,
        cancelled=cancelled,
    ):
        match event:
            case Delta():
                asked.note_token()
                yield event
            case Cited(citation):
                yield asked.place([citation])[0]
            case Finished(finished):
                yield asked.finish(finished)
            case Cancelled():
                yield event


class _Asked:
    """One question on its way."""

    def __init__(self, services: Services, question: Question) -> None:
        self.id = AnswerId(new_id("ans"))
        self.placed: tuple[PlacedPassage, ...] = ()
        self._retriever: Retriever = services.retriever
        self._generator: Generator = services.generator
        self._documents: Documents = services.documents
        self._database: Database = services.database
        self._embedding_model = services.embedder.model
        self._question = question
        self._index_generation = 0
        self._started_s = time.perf_counter()
        self._retrieve_ms = 0.0
        self._first_token_ms: float | None = None

    def retrieve(self) -> list[Passage]:
        question = self._question
        self._index_generation = self._retriever.generation()
        passages = self._retriever.retrieve(
            question.text,
            access=question.access,
            top_k=question.top_k,
            where=question.where,
        )
        self.placed = place_passages(self._documents, passages, question.access)
        self._retrieve_ms = self._elapsed_ms()
        return passages

    def note_token(self) -> None:
        if self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()

    def place(self, citations: Sequence[Citation]) -> list[PlacedCitation]:
        spans = [(item.passage.version_id, item.start, item.end) for item in citations]
        boxes = self._documents.boxes(spans, self._question.access)
        return [PlacedCitation(*pair) for pair in zip(citations, boxes, strict=True)]

    def finish(self, finished: Answer) -> FullAnswer:
        live = self._still_live(finished)
        return FullAnswer(
            id=self.id,
            answer=live,
            citations=tuple(self.place(live.citations)),
            passages=self.placed,
            receipt=self._receipt(live),
            timings=Timings(self._retrieve_ms, self._first_token_ms, self._elapsed_ms()),
        )

    def _still_live(self, finished: Answer) -> Answer:
        """Refuse in place of an answer that rests on what was deleted while it was written."""
        hits = [Hit(item.passage.id, item.passage.score) for item in self.placed]
        with self._database.read_scope() as session:
            found = load_passages(session, hits, access=self._question.access)
        live = {passage.id for passage in found}
        self.placed = tuple(item for item in self.placed if item.passage.id in live)
        if all(citation.passage.id in live for citation in finished.citations):
            return finished
        nearest = [item.passage for item in self.placed]
        refused = refuse(
            self._question.text, nearest, prompt=finished.prompt, sampling=finished.sampling
        )
        return replace(refused, usage=finished.usage)

    def _receipt(self, finished: Answer) -> Receipt:
        return Receipt(
            index_generation=self._index_generation,
            embedding_model=self._embedding_model,
            model=self._generator.model,
            model_sha256=self._generator.model_sha256,
            prompt=finished.prompt,
            sampling=finished.sampling,
            passages=tuple(_receipt_passage(item.passage) for item in self.placed),
            left_out=tuple(passage.id for passage in finished.left_out),
        )

    def _elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._started_s) * 1000, 1)


def narrow(collections: Collections, access: Access, names: Sequence[str] | None) -> Access:
    """The caller's access, to these collections only. Raises `CollectionNotFoundError`."""
    if names is None:
        return access
    return access.narrowed_to([collections.get(name, access).id for name in names])


def default_options(settings: GenerationSettings) -> AnswerOptions:
    """How questions are answered unless the caller says otherwise."""
    return AnswerOptions(
        sampling=Sampling(max_tokens=settings.max_tokens),
        min_confidence=settings.min_confidence,
        style=settings.style,
        max_passages=settings.max_passages,
    )


def place_passages(
    documents: Documents, passages: Sequence[Passage], access: Access
) -> tuple[PlacedPassage, ...]:
    """Look up the rectangles of passages."""
    spans = [(passage.version_id, passage.start, passage.end) for passage in passages]
    boxes = documents.boxes(spans, access)
    return tuple(PlacedPassage(*pair) for pair in zip(passages, boxes, strict=True))


def _receipt_passage(passage: Passage) -> ReceiptPassage:
    return ReceiptPassage(
        chunk_id=passage.id,
        document_id=passage.document_id,
        version=passage.version,
        sha256=hashlib.sha256(passage.text.encode()).hexdigest(),
    )
