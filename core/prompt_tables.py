"""The tables of prompts: templates, where they are active, and approved examples. Columns only."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.activation_tables import Activation
from core.tables import Base, UtcDateTime


class PromptRow(Base):
    """One version of a template of the owner's. Written once: never changed, never deleted."""

    __tablename__ = "prompts"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    # The file as it was given, comments and all.
    source: Mapped[str] = mapped_column(Text)
    # Of what the source says, as receipts name it.
    sha256: Mapped[str] = mapped_column(String(64))
    created_by: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PromptActivationRow(Activation, Base):
    """A prompt became that of a collection."""

    __tablename__ = "prompt_activations"

    reference: Mapped[str | None] = mapped_column("prompt", String(80))


class ExampleRow(Base):
    """What was decided about an answer as an example for others. It goes with its answer.

    The words are those of the answer at that time, and None where it was rejected.
    """

    __tablename__ = "examples"

    answer_id: Mapped[str] = mapped_column(
        ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True
    )
    state: Mapped[str] = mapped_column(String(16))
    language: Mapped[str | None] = mapped_column(String(8))
    question: Mapped[str | None] = mapped_column(Text)
    passage: Mapped[str | None] = mapped_column(Text)
    # Where the passage stands, as the model is told.
    source: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    # Every version whose words it holds: [[document id, number of the version], ...].
    held: Mapped[list[Any]] = mapped_column(JSON)
    # float16, little-endian: the question's, of this model; made when it is first needed.
    embedding_model: Mapped[str | None] = mapped_column(String(128))
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)
    decided_by: Mapped[str] = mapped_column(String(80))
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ExampleSourceRow(Base):
    """A version whose words an example holds.

    A version with such a row cannot be deleted: whoever deletes it deletes the examples first.
    """

    __tablename__ = "example_sources"

    answer_id: Mapped[str] = mapped_column(
        ForeignKey("examples.answer_id", ondelete="CASCADE"), primary_key=True
    )
    version_id: Mapped[str] = mapped_column(
        ForeignKey("versions.id", ondelete="RESTRICT"), primary_key=True, index=True
    )
