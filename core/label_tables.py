"""The table of what documents are labelled as, by classifiers and by people."""

from datetime import datetime

from sqlalchemy import Boolean, Float, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.tables import Base, UtcDateTime, now


class LabelRow(Base):
    """A document's label under one name, such as "topic". No machine replaces a person's."""

    __tablename__ = "document_labels"
    __table_args__ = (Index("ix_document_labels_name_label", "name", "label"),)

    document_id: Mapped[str] = mapped_column(
        ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    label: Mapped[str] = mapped_column(String(64))
    # The classifier's chance of it, 0 to 1; None where a person said it.
    chance: Mapped[float | None] = mapped_column(Float)
    by_person: Mapped[bool] = mapped_column(Boolean, default=False)
    set_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
