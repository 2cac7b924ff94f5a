"""The tables of the truth. Columns and constraints only: every query is in a repository."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

_NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


# Sizes, generations, ids that are never given twice: what may pass 2^31. SQLite's own integers have
# 64 bits.
LargeInteger: Final = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with its zone. SQLite drops the zone; this puts UTC back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Store UTC. Raises ValueError for a moment without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return an aware moment."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Base of every table."""

    metadata = MetaData(naming_convention=_NAMING)


class SchemaFloorRow(Base):
    """The oldest revision whose code may work on this schema. One row; `migrations` writes it."""

    __tablename__ = "schema_floor"

    revision: Mapped[str] = mapped_column(String(32), primary_key=True)


class CollectionRow(Base):
    """A named set of documents; the unit of access."""

    __tablename__ = "collections"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    description: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str | None] = mapped_column(String(8))
    # How it is answered from, where not as the service does; app.api.schemas has the names.
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class DocumentRow(Base):
    """A document: one name in one collection, through all its versions."""

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("collection_id", "name"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    collection_id: Mapped[str] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(512))
    # The synchronised folder that it came from; None for what people and services uploaded. Only
    # that folder's synchronisation may replace or remove it.
    origin: Mapped[str | None] = mapped_column(Text)
    # Number of the newest version there ever was: a deleted version's number is not given again.
    last_number: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    collection: Mapped[CollectionRow] = relationship(lazy="raise")
    versions: Mapped[list["VersionRow"]] = relationship(
        lazy="raise", order_by="VersionRow.number", passive_deletes=True
    )


class VersionRow(Base):
    """One upload of a document. `state` is the state of its job, and `replaced` once superseded."""

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("document_id", "number"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), index=True)
    # On publishing, an older version is purged unless the uploader asked to keep history.
    keep_older: Mapped[bool] = mapped_column(Boolean, default=False)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    num_bytes: Mapped[int] = mapped_column(LargeInteger)
    media_type: Mapped[str] = mapped_column(String(127))
    # The version that it was attached to, such as the mail's; it goes when that one goes.
    parent_id: Mapped[str | None] = mapped_column(String(40), index=True)
    user_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", JSON, default=dict)
    language: Mapped[str | None] = mapped_column(String(8))
    num_pages: Mapped[int | None] = mapped_column(Integer)
    num_chunks: Mapped[int | None] = mapped_column(Integer)
    embedding_model: Mapped[str | None] = mapped_column(String(128))
    # The generation of the index that first held it: what follows the rows reads on from there.
    generation: Mapped[int | None] = mapped_column(LargeInteger, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    document: Mapped[DocumentRow] = relationship(lazy="raise", back_populates="versions")


class VersionTextRow(Base):
    """The text of a version: what every offset points into."""

    __tablename__ = "version_texts"

    version_id: Mapped[str] = mapped_column(
        ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True
    )
    text: Mapped[str] = mapped_column(Text, deferred=True)
    # Character offset at which each page begins; empty where the format has no pages.
    page_starts: Mapped[list[int]] = mapped_column(JSON, default=list)
    # One row a line of a PDF: [start, end, page, x0, y0, x1, y1]; boxes of a quote come from it.
    line_boxes: Mapped[list[list[float]]] = mapped_column(JSON, default=list, deferred=True)


class ChunkRow(Base):
    """A stored piece of a version's text, and its vector.

    Ids come from `ChunkIdRow` and are never given twice: the vector of a deleted chunk, still
    inside a segment until the next merge, can never come to stand for another text.
    """

    __tablename__ = "chunks"
    __table_args__ = (
        UniqueConstraint("version_id", "ordinal"),
        Index("ix_chunks_collection_id", "collection_id"),
    )

    id: Mapped[int] = mapped_column(LargeInteger, primary_key=True, autoincrement=False)
    version_id: Mapped[str] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"))
    document_id: Mapped[str] = mapped_column(String(40), index=True)
    collection_id: Mapped[str] = mapped_column(String(40))
    ordinal: Mapped[int] = mapped_column(Integer)
    start: Mapped[int] = mapped_column(Integer)
    end: Mapped[int] = mapped_column(Integer)
    page: Mapped[int | None] = mapped_column(Integer)
    heading: Mapped[str] = mapped_column(Text, default="")
    # The header of the table whose rows it goes on with: no part of `text`, but read before it.
    table_header: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(String(8))
    text: Mapped[str] = mapped_column(Text)
    # float16, little-endian, one value a dimension: the segments are rebuilt from it, no model
    # needed.
    vector: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class NextVectorRow(Base):
    """A chunk's vector of the model that the index is changing to, until the change is complete."""

    __tablename__ = "next_vectors"

    chunk_id: Mapped[int] = mapped_column(
        ForeignKey("chunks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    embedding_model: Mapped[str] = mapped_column(String(128))
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class ChunkIdRow(Base):
    """The next chunk id: a block is taken before a segment is written, and never given back."""

    __tablename__ = "chunk_ids"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    next_id: Mapped[int] = mapped_column(LargeInteger)


class DeletedChunkRow(Base):
    """A chunk that is gone but whose vector is still inside a segment; masked in every search."""

    __tablename__ = "deleted_chunks"

    chunk_id: Mapped[int] = mapped_column(LargeInteger, primary_key=True, autoincrement=False)
    # Readers fetch only what was deleted after the generation they hold.
    generation: Mapped[int] = mapped_column(LargeInteger, index=True)


class SegmentRow(Base):
    """An immutable piece of the dense index that readers may open."""

    __tablename__ = "segments"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    embedding_model: Mapped[str] = mapped_column(String(128))
    num_vectors: Mapped[int] = mapped_column(Integer)
    num_dimensions: Mapped[int] = mapped_column(Integer)
    # The blob that it is packed in, for other machines; None where it is in no store.
    sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class ManifestRow(Base):
    """The one row that says which generation of the index is current."""

    __tablename__ = "manifest"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    generation: Mapped[int] = mapped_column(LargeInteger)
    # The generation that last took chunks out; None until then.
    last_deletion: Mapped[int | None] = mapped_column(LargeInteger)
    # The model that searches compare vectors of; None until the first document is searchable.
    embedding_model: Mapped[str | None] = mapped_column(String(128))


class JobRow(Base):
    """The work of making one version searchable. Its id is the version's id."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_state_turn", "state", "turn"),
        Index("ix_jobs_lane_state_turn", "lane", "state", "turn"),
    )

    id: Mapped[str] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True)
    document_id: Mapped[str] = mapped_column(String(40), index=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    # Whose uploads wait behind one another, and this one's turn among all: the least comes first.
    lane: Mapped[str] = mapped_column(String(80), default="")
    turn: Mapped[int] = mapped_column(Integer, default=1)
    # Moves on whenever a worker takes the work: what an earlier holder still does is refused.
    lease: Mapped[int] = mapped_column(Integer, default=0)
    worker_id: Mapped[str | None] = mapped_column(String(40))
    # Tries in a row that ended in an error which may go away by itself.
    failures: Mapped[int] = mapped_column(Integer, default=0)
    stage: Mapped[str | None] = mapped_column(String(16))
    done: Mapped[int] = mapped_column(Integer, default=0)
    total: Mapped[int | None] = mapped_column(Integer)
    unit: Mapped[str | None] = mapped_column(String(16))
    # Units a second in this stage.
    rate: Mapped[float | None] = mapped_column(Float)
    attempt: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    error_retryable: Mapped[bool | None] = mapped_column(Boolean)


class WorkerRow(Base):
    """A process that renews its row for as long as it lives: it ingests, or it serves.

    Observers count how long `beats` stands still; no clock of one is compared with another's.
    """

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    # "ingest" or "serve".
    role: Mapped[str] = mapped_column(String(16), server_default="ingest")
    # The running kernel: on the same one, a lock file tells at once whether the process lives.
    machine: Mapped[str] = mapped_column(String(64))
    pid: Mapped[int] = mapped_column(Integer)
    beats: Mapped[int] = mapped_column(Integer, default=0)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    beat_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class DeletionRow(Base):
    """Something that was deleted, by its id: what a restored backup must not bring back.

    Never a name, never a word. Kept for good: a backup may be of any age.
    """

    __tablename__ = "deletions"

    subject: Mapped[str] = mapped_column(String(40), primary_key=True)
    # document, version, collection, key or person
    kind: Mapped[str] = mapped_column(String(16))
    deleted_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # When somebody restored a backup with it, and wanted it back; None while it is to stay away.
    restored_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
