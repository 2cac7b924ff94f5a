"""A search over the wire, as api.md names it. Shapes only."""

from typing import Literal

from pydantic import Field

from app.api.fields import QuestionText, Reply, Request
from app.api.schemas import CollectionNames, Filter, PassageOut
from retrieval.types import Refining


class SearchRequest(Request):
    """A search."""

    query: QuestionText = Field(examples=["How many days of leave are there?"])
    collections: CollectionNames | None = Field(default=None, examples=[["default"]])
    top_k: int | None = Field(default=None, ge=1, le=50, examples=[8])
    mode: Literal["hybrid", "dense", "lexical"] = "hybrid"
    filter: Filter | None = None
    rerank: bool | None = Field(
        default=None,
        description="Have the reranker read what was found; by default, wherever one is set.",
    )
    keep_duplicates: bool = Field(
        default=False, description="Return passages too that say nothing new after a better one."
    )
    diversity: float = Field(
        default=0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="How much unlikeness counts against relevance.",
    )
    merge: bool = Field(
        default=False, description="Join passages that stand side by side in one section."
    )
    neighbours: int = Field(
        default=0,
        ge=0,
        le=5,
        description="Chunks of its section to put around each passage; joins what then touches.",
    )
    split: bool = Field(
        default=False, description="Search the parts of a question that asks several things too."
    )

    def refining(self) -> Refining:
        """What is to be done with what is found."""
        return Refining(
            rerank=self.rerank,
            keep_duplicates=self.keep_duplicates,
            diversity=self.diversity,
            merge=self.merge,
            neighbours=self.neighbours,
            split=self.split,
        )


class SearchTimings(Reply):
    """How long the search took."""

    retrieve_ms: float


class SearchOut(Reply):
    """What a search found, best first. Scores order this response only."""

    passages: list[PassageOut]
    timings: SearchTimings
