"""What an answer was made of, over the wire. Shapes only."""

from dataclasses import asdict
from typing import Self

from pydantic import Field, JsonValue

from app.api.fields import Reply
from app.following_up import Understood
from app.receipts import Receipt, ReceiptExample
from generation.drafting import Unsupported
from generation.types import Samples, Sampling, Style


class SamplingOut(Reply):
    """How tokens were chosen."""

    temperature: float
    top_p: float
    top_k: int
    seed: int
    max_tokens: int
    n: int = 1

    @classmethod
    def of(cls, sampling: Sampling) -> Self:
        """From the room's own data; which adapter it was is the receipt's to say."""
        chosen = asdict(sampling)
        del chosen["adapter"]
        return cls(**chosen)


class JudgementOut(Reply):
    """What a reward said of a text."""

    reward: float
    parts: dict[str, float] = Field(description="What the reward was made from, each 0 to 1.")


class RewardedSampleOut(JudgementOut):
    """What a reward said of one draft."""

    tokens: int
    stands: bool = Field(description="Whether the passages support any of it.")


class SamplesOut(Reply):
    """The drafts that an answer was chosen from. Their texts are not kept."""

    reward: str = Field(description="Name of the reward.")
    winner: int | None = Field(
        description="Which was shown, from 0; null where none is better than the quote."
    )
    drafts: list[RewardedSampleOut]
    quote: JudgementOut | None = Field(
        default=None, description="The quote, judged beside them; null in older answers."
    )

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """From the room's own data."""
        return cls(
            reward=samples.reward,
            winner=samples.winner,
            drafts=[
                RewardedSampleOut(
                    reward=each.reward,
                    parts=dict(each.parts),
                    tokens=each.num_tokens,
                    stands=each.stands,
                )
                for each in samples.each
            ],
            quote=JudgementOut(reward=samples.quote.reward, parts=dict(samples.quote.parts)),
        )


class ReceiptPassageOut(Reply):
    """A text that was read, by its hash."""

    chunk_id: str
    document_id: str
    version: int
    sha256: str | None = Field(description="Null once the document is deleted.")


class VersionNamed(Reply):
    """A version of a document, by ids alone."""

    document_id: str
    version: int


class ReceiptExampleOut(Reply):
    """An example by the id of its answer, or its number in the template; whose words it holds."""

    id: str
    sources: list[VersionNamed]

    @classmethod
    def of(cls, example: ReceiptExample) -> Self:
        """From the room's own data."""
        sources = [
            VersionNamed(document_id=each.document_id, version=each.version)
            for each in example.sources
        ]
        return cls(id=example.id, sources=sources)


class ReceiptOut(Reply):
    """What the answer was made of. Hashes are empty where they could not be had."""

    index_generation: int
    build: str
    embedding_model: str
    reranker: str
    model: str
    model_sha256: str
    runs_on: str = Field(description="Device and number format of the weights.")
    prompt: str
    prompt_sha256: str
    adapter: str = Field(
        default="", description="The collection's adapter, as `name@version`; empty for none."
    )
    adapter_sha256: str = ""
    extractor: str = ""
    top_k: int
    filter: JsonValue
    min_confidence: float
    calibration: str = Field(
        description="What `confidence` was fitted to: `built-in`, or questions."
    )
    style: Style
    unsupported: Unsupported
    max_passages: int
    sampling: SamplingOut
    likelihood: bool = False
    samples: SamplesOut | None = Field(
        default=None, description="Null where only one text was written."
    )
    passages: list[ReceiptPassageOut]
    left_out: list[str] = Field(description="Chunks that did not fit into the model's window.")
    examples: list[ReceiptExampleOut] = Field(
        default=[], description="Answered questions that the model was shown."
    )
    examples_left_out: list[str] = Field(default=[], description="Those that did not fit.")
    routed_to: str | None = Field(
        default=None,
        description="The collection that a classifier chose, where the question named none.",
    )
    history: list[str] = Field(description="Answers from which the question was understood.")
    history_left_out: int = Field(description="Older ones that did not fit.")

    @classmethod
    def of(cls, receipt: Receipt, understood: Understood) -> Self:
        """From the room's own data."""
        asked = asdict(receipt.asked)
        del asked["sampling"]
        return cls(
            index_generation=receipt.index_generation,
            **asdict(receipt.made),
            filter=asked.pop("where"),
            sampling=SamplingOut.of(receipt.asked.sampling),
            **asked,
            passages=[
                ReceiptPassageOut(
                    chunk_id=str(item.chunk_id),
                    document_id=item.document_id,
                    version=item.version,
                    sha256=item.sha256,
                )
                for item in receipt.passages
            ],
            samples=None if receipt.samples is None else SamplesOut.of(receipt.samples),
            left_out=[str(chunk_id) for chunk_id in receipt.left_out],
            examples=[ReceiptExampleOut.of(each) for each in receipt.examples],
            examples_left_out=list(receipt.examples_left_out),
            routed_to=receipt.routed_to,
            history=list(understood.history),
            history_left_out=understood.num_left_out,
        )
