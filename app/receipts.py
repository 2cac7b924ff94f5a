"""What an answer was made of: enough to explain it, and to make it again. Makes no answer."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version

from app.services import Services
from core.errors import CimientoError
from core.ids import ChunkId, DocumentId
from core.types import Passage
from generation.answer import AnswerOptions
from generation.drafting import Unsupported
from generation.generator import Generator
from generation.types import Answer, ExampleSource, Samples, Sampling, Style


@dataclass(frozen=True, slots=True)
class ReceiptPassage:
    """Which text was read: its chunk, and the hash that proves it."""

    chunk_id: ChunkId
    document_id: DocumentId
    version: int
    sha256: str

    @classmethod
    def of(cls, passage: Passage) -> "ReceiptPassage":
        """The proof of a passage."""
        digest = hashlib.sha256(passage.text.encode()).hexdigest()
        return cls(passage.id, passage.document_id, passage.version, digest)


@dataclass(frozen=True, slots=True)
class ReceiptExample:
    """Which example the model was shown, and every version whose words it holds."""

    id: str
    sources: tuple[ExampleSource, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """What made an answer: programs and models. Hashes are empty where they could not be had.

    `runs_on` is the device and the number format of the weights. `adapter` and
    `extractor` are empty for none.
    """

    build: str
    embedding_model: str
    reranker: str
    model: str
    model_sha256: str
    runs_on: str
    prompt: str
    prompt_sha256: str
    adapter: str
    adapter_sha256: str
    extractor: str

    @classmethod
    def of(cls, services: Services, options: AnswerOptions) -> "Made":
        """What an answer with these options is made by now."""
        model_sha256, runs_on = _identity(services.generator)
        return cls(
            build=version("cimiento"),
            embedding_model=services.embedder.model,
            reranker=services.settings.retrieval.reranker,
            model=services.generator.model,
            model_sha256=model_sha256,
            runs_on=runs_on,
            prompt=options.prompt.reference,
            prompt_sha256=options.prompt.sha256,
            adapter=options.adapter,
            adapter_sha256=options.sampling.adapter,
            extractor=options.pointer.name if options.reads else "",
        )


@dataclass(frozen=True, slots=True)
class HowAsked:
    """How the answer was asked for, besides the question."""

    top_k: int
    where: object
    min_confidence: float
    calibration: str
    style: Style
    unsupported: Unsupported
    max_passages: int
    sampling: Sampling
    likelihood: bool

    @classmethod
    def of(cls, options: AnswerOptions, *, top_k: int, where: object) -> "HowAsked":
        """As a question says it."""
        return cls(
            top_k=top_k,
            where=where,
            min_confidence=options.min_confidence,
            calibration=options.calibration.name,
            style=options.style,
            unsupported=options.unsupported,
            max_passages=options.max_passages,
            sampling=options.sampling,
            likelihood=options.likelihood,
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """The whole of it.

    `left_out` are chunks that were found and did not fit into the prompt, `examples_left_out`
    examples that were chosen and did not; `samples` what the answer was chosen from, where it was.
    """

    index_generation: int
    made: Made
    asked: HowAsked
    passages: tuple[ReceiptPassage, ...]
    left_out: tuple[ChunkId, ...]
    samples: Samples | None
    examples: tuple[ReceiptExample, ...]
    examples_left_out: tuple[str, ...]
    # the collection that a classifier chose
    routed_to: str | None


def build_receipt(
    made: Made,
    asked: HowAsked,
    *,
    index_generation: int,
    passages: Iterable[Passage],
    answer: Answer,
    routed_to: str | None = None,
) -> Receipt:
    """The receipt of a finished answer."""
    return Receipt(
        index_generation=index_generation,
        made=made,
        asked=asked,
        passages=tuple(map(ReceiptPassage.of, passages)),
        left_out=tuple(passage.id for passage in answer.left_out),
        samples=answer.samples,
        examples=tuple(ReceiptExample(each.id, each.sources) for each in answer.examples),
        examples_left_out=tuple(each.id for each in answer.examples_left_out),
        routed_to=routed_to,
    )


def _identity(generator: Generator) -> tuple[str, str]:
    try:
        return generator.model_sha256, generator.runs_on
    except CimientoError:
        return "", ""  # the model failed, and the answer with it
