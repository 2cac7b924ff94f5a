"""What tables of activations have in common: what answers from a collection, and what did."""

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from core.tables import UtcDateTime


class Activation:
    """Something became that of a collection; the newest row counts, and none is ever changed."""

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    collection_id: Mapped[str] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), index=True
    )
    # `name@version`; None for that of the service.
    reference: Mapped[str | None] = mapped_column(String(80))
    # The activation that rolling back goes to; None for that of the service.
    before_id: Mapped[int | None] = mapped_column(Integer)
    is_rollback: Mapped[bool]
    created_by: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
