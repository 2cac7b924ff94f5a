"""The tables of what was answered. Columns and constraints only, as in `core.tables`."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.tables import Base, UtcDateTime


class ConversationRow(Base):
    """Questions that go on from one another. Whose it is, its answers are."""

    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    asker: Mapped[str] = mapped_column(String(80), index=True)
    # None until its first question gives it one.
    title: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AnswerRow(Base):
    """An answer that came to its end, whichever; written once, and later only redacted."""

    __tablename__ = "answers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    # Name of the caller who asked: the answer is theirs alone, until they share it.
    asker: Mapped[str] = mapped_column(String(80), index=True)
    question: Mapped[str] = mapped_column(Text)
    conversation_id: Mapped[str | None] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE"), index=True
    )
    # The answer that the question goes on from. Answers with the same one are branches.
    parent_id: Mapped[str | None] = mapped_column(String(40))
    # Names of the collections that were asked about; None for all that the caller could see.
    collections: Mapped[list[str] | None] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(16))
    # The whole answer as it went over the wire, with its receipt.
    response: Mapped[dict[str, Any]] = mapped_column(JSON)
    # How many events told of it: the id of the last one.
    num_events: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    redacted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Since when everybody may read it who may see all that it quotes from; None where nobody else.
    shared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RunningAnswerRow(Base):
    """An answer that a process has begun and that has not ended. Holds no document's words."""

    __tablename__ = "running_answers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    # The process, by its row in `workers`; the answer outlives that row until somebody ends it.
    writer_id: Mapped[str] = mapped_column(String(40), index=True)
    asker: Mapped[str] = mapped_column(String(80))
    question: Mapped[str] = mapped_column(Text)
    conversation_id: Mapped[str | None] = mapped_column(String(40))
    parent_id: Mapped[str | None] = mapped_column(String(40))
    collections: Mapped[list[str] | None] = mapped_column(JSON)
    # What is kept of it where its process dies.
    response: Mapped[dict[str, Any]] = mapped_column(JSON)
    num_events: Mapped[int] = mapped_column(Integer)
    # Somebody asked another process to cancel it; its own looks here.
    is_cancelled: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AnswerSourceRow(Base):
    """A version whose words an answer holds.

    A version with such a row cannot be deleted: whoever deletes it redacts the answers first.
    """

    __tablename__ = "answer_sources"

    answer_id: Mapped[str] = mapped_column(
        ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True
    )
    version_id: Mapped[str] = mapped_column(
        ForeignKey("versions.id", ondelete="RESTRICT"), primary_key=True, index=True
    )


class FeedbackRow(Base):
    """What the asker thinks of an answer; the latest word counts."""

    __tablename__ = "feedback"

    answer_id: Mapped[str] = mapped_column(
        ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True
    )
    rating: Mapped[str] = mapped_column(String(8))
    # May repeat what the answer's documents say: redacted with the answer.
    correction: Mapped[str | None] = mapped_column(Text)
    comment: Mapped[str | None] = mapped_column(Text)
    # Number of the citation that does not show what it is cited for.
    wrong_citation: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
