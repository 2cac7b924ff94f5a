"""The tables of adapters: their versions, and where they are active. Columns only."""

from datetime import datetime

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from core.activation_tables import Activation
from core.tables import Base, LargeInteger, UtcDateTime


class AdapterRow(Base):
    """One version of an adapter, whose file lies in the folder of adapters by its hash.

    Never changed but to be removed; its number is given to no other.
    """

    __tablename__ = "adapters"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    num_bytes: Mapped[int] = mapped_column(LargeInteger)
    # Of the weights that it was trained on.
    base_sha256: Mapped[str] = mapped_column(String(64))
    # The template whose questions it learnt: `name@version`.
    prompt: Mapped[str] = mapped_column(String(80))
    # How answers are written with it, before what the settings say; None follows them.
    style: Mapped[str | None] = mapped_column(String(8))
    created_by: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AdapterActivationRow(Activation, Base):
    """An adapter became that of a collection."""

    __tablename__ = "adapter_activations"
