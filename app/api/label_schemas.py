"""Labels of documents over the wire. Shapes only."""

from typing import Literal, Self

from pydantic import Field

from app.api.fields import Reply
from ingestion.labels import Label


class LabelOut(Reply):
    """What a document is labelled as under a name."""

    name: str = Field(examples=["topic"])
    label: str = Field(examples=["invoices"])
    by: Literal["person", "classifier"] = Field(description="A person's label is never replaced.")
    chance: float | None = Field(description="Of a classifier's label, 0 to 1.")

    @classmethod
    def of(cls, label: Label) -> Self:
        """From the room's own data."""
        return cls(
            name=label.name,
            label=label.label,
            by="person" if label.by_person else "classifier",
            chance=label.chance,
        )
