"""The table of what an owner's own questions taught. Columns and constraints only."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Float, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from core.tables import Base, UtcDateTime


class CalibrationRow(Base):
    """How sure answers from a collection are; a later calibration takes its place.

    It is of one embedding model: similarities of another mean something else.
    """

    __tablename__ = "calibrations"

    collection_id: Mapped[str] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    embedding_model: Mapped[str] = mapped_column(String(128))
    # intercept and weights by name, as `generation.confidence.Weights` has them
    weights: Mapped[dict[str, Any]] = mapped_column(JSON)
    min_confidence: Mapped[float] = mapped_column(Float)
    num_questions: Mapped[int] = mapped_column(Integer)
    questions_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
