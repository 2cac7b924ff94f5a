"""The tables of evaluation runs. Columns and constraints only, as in `core.tables`."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Float, ForeignKey, ForeignKeyConstraint, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.tables import Base, UtcDateTime


class EvaluationRow(Base):
    """A run: questions that are asked one by one, and what they came to."""

    __tablename__ = "evaluations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    # Name of the caller who started it: the run is theirs alone.
    asker: Mapped[str] = mapped_column(String(80), index=True)
    name: Mapped[str | None] = mapped_column(String(120))
    # Where its questions are from: uploaded, feedback or generated.
    source: Mapped[str] = mapped_column(String(16))
    # Names of the collections that are asked about; None for all that the caller could see.
    collections: Mapped[list[str] | None] = mapped_column(JSON)
    # Their ids, as the caller could see them when it was started; None for everything.
    collection_ids: Mapped[list[str] | None] = mapped_column(JSON)
    # How the caller wants it asked; what is left out is as the service has it.
    top_k: Mapped[int | None] = mapped_column(Integer)
    min_confidence: Mapped[float | None] = mapped_column(Float)
    # name@version
    prompt: Mapped[str] = mapped_column(String(120), index=True)
    # Questions that it has, and those that were asked; of one that ended early, those asked remain.
    num_cases: Mapped[int] = mapped_column(Integer, default=0)
    num_asked: Mapped[int] = mapped_column(Integer, default=0)
    # So many questions are to be generated, from passages of which so many were tried.
    num_wanted: Mapped[int] = mapped_column(Integer, default=0)
    num_tried: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[str] = mapped_column(String(16), index=True)
    # Numbers and names of programs: what the figures depend on, and the figures.
    manifest: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    summary: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EvaluationCaseRow(Base):
    """A question of a run, and what became of it once it was asked; later only redacted."""

    __tablename__ = "evaluation_cases"

    evaluation_id: Mapped[str] = mapped_column(
        ForeignKey("evaluations.id", ondelete="CASCADE"), primary_key=True
    )
    # From 1 on.
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    # The question with its gold, and as `sources` the versions that these have words from.
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)
    # None until it was asked.
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    redacted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EvaluationSourceRow(Base):
    """A version whose words a question of a run, its gold or its evidence holds.

    A version with such a row cannot be deleted: whoever deletes it redacts the run first.
    """

    __tablename__ = "evaluation_sources"
    __table_args__ = (
        ForeignKeyConstraint(
            ["evaluation_id", "number"],
            ["evaluation_cases.evaluation_id", "evaluation_cases.number"],
            ondelete="CASCADE",
        ),
    )

    evaluation_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    version_id: Mapped[str] = mapped_column(
        ForeignKey("versions.id", ondelete="RESTRICT"), primary_key=True, index=True
    )
