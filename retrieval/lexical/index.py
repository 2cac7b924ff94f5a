"""The lexical index on disk: one writer at a time, readers everywhere. Knows no database.

Every commit carries the generation of the manifest up to which the index has followed the rows, in
a document of its own: content and mark change in one rename, so that a crash leaves both or none.
"""

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from tantivy import Document, Index, IndexWriter, Query, Schema, SchemaBuilder, Searcher

from core.errors import AlreadyRunningError, CimientoError
from core.locks import file_lock
from retrieval.lexical.analysis import EXACT, FIELDS, build_analysers, field_of, prepare
from retrieval.types import ChunkIds

# Raise it when the schema or the analysis changes: an index of another format is built anew.
_FORMAT: Final = "format-1"
_BATCH: Final = 1_000
_WRITER_BYTES: Final = 32 * 1024 * 1024
_BUSY: Final = "another process writes to the lexical index"
_ID: Final = "id"
_COLLECTION: Final = "collection"
_KIND: Final = "kind"
_MARK: Final = "mark"
_CHUNK: Final = "chunk"
NOTHING: Final = -1
"""The mark of an index that has followed nothing yet."""


class LexicalIndexBusyError(CimientoError):
    """Another process is writing to the lexical index; it follows the same rows."""

    code = "lexical_index_busy"
    retryable = True


class LexicalIndexCorruptError(CimientoError):
    """The lexical index on disk cannot be read; `cimiento index rebuild` makes it anew."""

    code = "lexical_index_corrupt"


@dataclass(frozen=True, slots=True)
class LexicalText:
    """What is indexed of a chunk: where it stands, what it says, and in which language."""

    chunk_id: int
    collection_id: str
    language: str | None
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class LexicalView:
    """The index as one commit left it: `mark` is the generation that it has followed up to."""

    searcher: Searcher
    schema: Schema
    mark: int

    @property
    def num_chunks(self) -> int:
        """How many chunks can be found."""
        return self.searcher.num_docs - (0 if self.mark == NOTHING else 1)

    def chunk_ids(self) -> ChunkIds:
        """Every chunk that can be found: (N,) ascending."""
        if self.num_chunks == 0:
            return np.zeros(0, dtype=np.int64)
        every = Query.term_query(self.schema, _KIND, _CHUNK)
        hits = self.searcher.search(every, self.num_chunks, count=False).hits
        found = self.searcher.fast_field_values(_ID, [address for _, address in hits])
        return np.sort(np.array(found, dtype=np.int64))


class LexicalIndex:
    """The files below one folder. Thread-safe. Close it at the end of the process."""

    def __init__(self, root: Path) -> None:
        self._folder = root / _FORMAT
        self._schema = _build_schema()
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._view: LexicalView | None = None

    def view(self) -> LexicalView:
        """The last commit that this process has opened; an index that is not there is empty.

        Raises `LexicalIndexCorruptError`.
        """
        view = self._view
        return view if view is not None else self.refresh()

    def refresh(self) -> LexicalView:
        """Open what has been committed since, by whichever process. Raises as `view` does."""
        with self._lock:
            try:
                index = self._open()
                index.reload()
                self._view = _look(index, self._schema)
            except (ValueError, OSError) as error:
                self._index = self._view = None
                raise LexicalIndexCorruptError(
                    f"the lexical index cannot be read ({error}); run 'cimiento index rebuild'"
                ) from error
            return self._view

    @contextmanager
    def writing(self) -> Iterator["LexicalWriter"]:
        """Write to the index; what is not committed in the block is dropped.

        Raises `LexicalIndexBusyError` while another process writes, and
        `LexicalIndexCorruptError`.
        """
        with self._alone():
            with self._lock:
                # Opened anew: an index knows only the files of the day it was opened.
                self._index = None
            view = self.refresh()
            with self._lock:
                index = self._open()
            try:
                writer = index.writer(_WRITER_BYTES, num_threads=1)
            except ValueError as error:
                raise LexicalIndexBusyError(_BUSY) from error
            # A writer that was killed leaves files which nothing names, and the next commit that
            # counts as far would want their names.
            writer.garbage_collect_files()
            try:
                yield LexicalWriter(writer, self._schema, view.mark)
            finally:
                # Waits for merges: dropped, they would begin again with every commit.
                writer.wait_merging_threads()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with ExitStack() as held:
            lock = self._folder.parent.with_suffix(".lock")
            try:
                held.enter_context(file_lock(lock, doing="writes to the lexical index", wait_s=0.0))
            except AlreadyRunningError as error:
                raise LexicalIndexBusyError(_BUSY) from error
            yield

    def remove(self) -> None:
        """Delete the files; the next writer begins with an empty index."""
        with self._lock:
            self._index = self._view = None
            shutil.rmtree(self._folder, ignore_errors=True)

    def unmendable(self, error: "LexicalIndexCorruptError") -> "LexicalIndexCorruptError":
        """What to raise where removing the files did not help: a person has to."""
        return LexicalIndexCorruptError(
            f"the lexical index could be neither read nor removed ({error.__cause__ or error}); "
            f"move {self._folder.parent} out of the way and see that its folder can be written to"
        )

    def _open(self) -> Index:
        if self._index is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            index = Index(self._schema, path=str(self._folder))
            for name, analyser in build_analysers().items():
                index.register_tokenizer(_tokenizer(name), analyser)
            index.config_reader("manual")
            self._index = index
        return self._index


class LexicalWriter:
    """Adds and deletes, all at once at `commit`."""

    def __init__(self, writer: IndexWriter, schema: Schema, mark: int) -> None:
        self._writer = writer
        self._schema = schema
        self.mark = mark

    def clear(self) -> None:
        """Delete everything."""
        self._writer.delete_all_documents()

    def delete(self, chunk_ids: Sequence[int]) -> None:
        """Delete these chunks, whether they are there or not."""
        # by query: as a bare term a number is taken for a signed one, and never found
        for start in range(0, len(chunk_ids), _BATCH):
            ids = list(chunk_ids[start : start + _BATCH])
            self._writer.delete_documents_by_query(Query.term_set_query(self._schema, _ID, ids))

    def add(self, texts: Sequence[LexicalText]) -> None:
        """Add chunks; one that is there already is replaced."""
        self.delete([item.chunk_id for item in texts])
        for item in texts:
            self._writer.add_document(_document(item))

    def commit(self, mark: int) -> None:
        """Make it durable and visible: the index has followed the rows up to generation `mark`."""
        self._writer.delete_documents_by_term(_KIND, _MARK)
        document = Document()
        document.add_text(_KIND, _MARK)
        document.add_unsigned(_MARK, mark)
        self._writer.add_document(document)
        self._writer.commit()
        self.mark = mark


def _build_schema() -> Schema:
    builder = SchemaBuilder()
    builder.add_unsigned_field(_ID, indexed=True, fast=True)
    builder.add_unsigned_field(_MARK, fast=True)
    builder.add_text_field(_COLLECTION, tokenizer_name="raw", index_option="basic")
    builder.add_text_field(_KIND, tokenizer_name="raw", index_option="basic")
    for name in FIELDS:
        builder.add_text_field(name, tokenizer_name=_tokenizer(name), index_option="freq")
    return builder.build()


def _tokenizer(field: str) -> str:
    return f"cimiento_{field}"


def _document(item: LexicalText) -> Document:
    text = prepare(f"{item.place}\n{item.text}")
    document = Document()
    document.add_unsigned(_ID, item.chunk_id)
    document.add_text(_KIND, _CHUNK)
    document.add_text(_COLLECTION, item.collection_id)
    document.add_text(field_of(item.language), text)
    document.add_text(EXACT, text)
    return document


def _look(index: Index, schema: Schema) -> LexicalView:
    searcher = index.searcher()
    marks = searcher.search(Query.term_query(schema, _KIND, _MARK), 2, count=False).hits
    if not marks:
        return LexicalView(searcher, schema, NOTHING)
    found = searcher.fast_field_values(_MARK, [address for _, address in marks])
    return LexicalView(searcher, schema, max(int(mark) for mark in found if mark is not None))
