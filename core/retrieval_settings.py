"""Settings of search: how passages are found, and on how many threads."""

from pathlib import Path

from pydantic import Field

from core.settings_group import SettingsGroup


class RetrievalSettings(SettingsGroup):
    """How passages are found."""

    top_k: int = Field(default=8, ge=1, le=100, description="Passages returned by default.")
    reranker: str = Field(
        default="none",
        min_length=1,
        description="What reads the passages found once more with the question: none, likelihood "
        "(of the question, by the model that answers) or the folder of a cross-encoder.",
    )
    rerank_depth: int = Field(
        default=20, ge=2, le=100, description="Passages that the reranker reads, at least top_k."
    )
    router: Path | None = Field(
        default=None,
        description="File of a classifier of questions, whose labels are collections: where a "
        "question names none, the one that it is sure of is searched.",
    )
    num_threads: int = Field(
        default=0,
        ge=0,
        description="Threads that embed questions in the service; 0 takes one beside a model that "
        "answers in the same process, else every core of the machine.",
    )
    kept_questions: int = Field(
        default=4096,
        ge=0,
        description="Questions whose vectors are kept in memory, those asked last; 0 keeps none.",
    )
