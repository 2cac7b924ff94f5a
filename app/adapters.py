"""Adapters by name and version, and which one answers from a collection. Applies none.

Rows are the truth; the files lie in a folder of blobs that generation workers read, too.
A version is never changed. What is removed leaves its number, so that old receipts stay true.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Select, String, cast, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.activations import Activation, Activations, Check
from core.access import Access, Caller
from core.adapter_tables import AdapterActivationRow, AdapterRow
from core.blobs import BlobStore, FolderBlobStore, is_whole
from core.database import Database
from core.errors import CimientoError
from core.ids import CollectionId
from core.settings import ADAPTERS_FOLDER
from core.tables import now
from core.verify import Checked, Finding
from generation.answer import AnswerOptions
from generation.types import Style

_MAX_TRIES: Final = 5


class AdapterNotFoundError(CimientoError):
    """There is no adapter of that name and version that the caller may see."""

    code = "adapter_not_found"


class AdapterInUseError(CimientoError):
    """The adapter answers from a collection, or others change it; the message says which."""

    code = "adapter_in_use"


class NoEarlierAdapterError(CimientoError):
    """There is no activation of an adapter to roll back."""

    code = "no_earlier_adapter"


@dataclass(frozen=True, slots=True)
class NewAdapter:
    """A file that is to be kept, as a check of it found it."""

    path: Path
    base_sha256: str
    prompt: str
    style: Style | None = None


@dataclass(frozen=True, slots=True)
class StoredAdapter:
    """One version of an adapter.

    base_sha256: of the weights that it was trained on. prompt: the template that it learnt.
    style: how answers are written with it, where that is not for the settings to say.
    """

    name: str
    version: int
    sha256: str
    num_bytes: int
    base_sha256: str
    prompt: str
    style: Style | None
    created_at: datetime

    @property
    def reference(self) -> str:
        """As it is activated, and as receipts name it."""
        return f"{self.name}@{self.version}"


class Adapters:
    """Every query on adapters, and their files. Thread-safe.

    A caller who may see everything sees every adapter; one who may see some collections, those
    that are or were active there.
    """

    def __init__(self, database: Database, files: BlobStore) -> None:
        self._files = files
        self._database = database
        self._activations = Activations(
            database, AdapterActivationRow, nothing_before=_nothing_before
        )

    @classmethod
    def below(cls, data_dir: Path, database: Database) -> "Adapters":
        """With their files in the data folder, where a generator looks for them."""
        return cls(database, FolderBlobStore(data_dir / ADAPTERS_FOLDER))

    def add(self, name: str, new: NewAdapter, caller: Caller) -> tuple[StoredAdapter, bool]:
        """Keep a file as the next version of a name; and whether it is new.

        What is the same as the newest version is that version. Raises OSError.
        """
        # first the file: a row must never name what is not there
        with self._files.begin() as blob:
            blob.write_file(new.path)
            blob.keep()
            sha256 = blob.sha256
        for _ in range(_MAX_TRIES):
            try:
                with self._database.session_scope() as session:
                    return _add(session, name, sha256, new, caller)
            except IntegrityError:
                continue  # somebody else made this version at the same moment
        raise AdapterInUseError(f"others keep adding versions of {name!r}; try again")

    def list(self, access: Access) -> list[StoredAdapter]:
        """Every version that the caller may see and that was not removed, by name."""
        query = _visible(access).order_by(AdapterRow.name, AdapterRow.version)
        with self._database.read_scope() as session:
            return [_stored(row) for row in session.scalars(query)]

    def get(self, reference: str, access: Access) -> StoredAdapter:
        """By `name@version`, or the newest of a name. Raises `AdapterNotFoundError`."""
        name, _, version = reference.partition("@")
        query = _visible(access).where(AdapterRow.name == name)
        if version:
            query = query.where(cast(AdapterRow.version, String) == version)
        with self._database.read_scope() as session:
            row = session.scalars(query.order_by(AdapterRow.version.desc()).limit(1)).first()
        if row is None:
            raise AdapterNotFoundError(
                f"there is no adapter {reference!r}; 'cimiento adapters list' shows all of them"
            )
        return _stored(row)

    def remove(self, reference: str) -> StoredAdapter:
        """Remove a version, `name@version`, and its file where no other version has the same.

        Raises `AdapterNotFoundError`, and `AdapterInUseError` while it answers from a collection.
        """
        found = self.get(reference, Access.to_everything())
        with self._database.session_scope() as session:
            names = self._activations.where_active(session, found.reference)
            if names:
                raise AdapterInUseError(
                    f"{found.reference} answers from {', '.join(names)}; activate another one "
                    "there first"
                )
            row = session.get_one(AdapterRow, (found.name, found.version))
            row.removed_at = now()
            session.flush()
            is_kept = session.scalars(_live().where(AdapterRow.sha256 == found.sha256)).first()
        if is_kept is None:
            self._files.delete([found.sha256])
        return found

    def history(self, collection_id: CollectionId) -> Sequence[Activation]:
        """Every activation of a collection, the newest, which counts, first."""
        return self._activations.history(collection_id)

    def activate(
        self,
        collection_id: CollectionId,
        reference: str | None,
        caller: Caller,
        *,
        check: Check | None = None,
    ) -> Activation:
        """Let an adapter answer from the collection from now on, in the version it has now.

        None: that of the service. What is active already stays. Raises `AdapterNotFoundError`, and
        what `check` raises of what was active until now.
        """
        adapter = None if reference is None else self.get(reference, caller.access).reference
        return self._activations.activate(collection_id, adapter, caller, check=check)

    def roll_back(self, collection_id: CollectionId, caller: Caller) -> Activation:
        """Go back to what was active before; again, to what was before that.

        Raises `NoEarlierAdapterError`, and `AdapterNotFoundError` where that was removed since.
        """
        everything = Access.to_everything()
        return self._activations.roll_back(
            collection_id, caller, check=lambda reference: self.get(reference, everything)
        )

    def applied(self, options: AnswerOptions, access: Access) -> AnswerOptions:
        """The options with the adapter of the collections that are asked, where all have the same.

        Where they differ, or none has one, the options stay.
        """
        reference = self._activations.common(access)
        if reference is None:
            return options
        # who may ask the collection may have its adapter
        adapter = self.get(reference, Access.to_everything())
        return replace(
            options,
            sampling=replace(options.sampling, adapter=adapter.sha256),
            adapter=adapter.reference,
            style=options.prompt.style or adapter.style or options.style,
        )

    def check(self, *, repair: bool) -> Checked:
        """Every adapter has its file, and every file its adapter."""
        with self._database.read_scope() as session:
            rows = [_stored(row) for row in session.scalars(_live())]
        findings = [
            Finding("adapter_lost", each.reference, "its file is gone, or not what it was")
            for each in rows
            if not is_whole(self._files, each.sha256)
        ]
        known = {each.sha256 for each in rows}
        for sha256 in sorted(set(self._files.list()) - known):
            if repair:
                self._files.delete([sha256])
            detail = "no adapter has this file"
            findings.append(Finding("adapter_leftover", sha256, detail, mended=repair))
        return Checked("adapters", len(rows), tuple(findings))


def live_files(session: Session) -> set[str]:
    """The hashes of the files that adapters have, in this snapshot."""
    return {row.sha256 for row in session.scalars(_live())}


def _add(
    session: Session, name: str, sha256: str, new: NewAdapter, caller: Caller
) -> tuple[StoredAdapter, bool]:
    query = select(AdapterRow).where(AdapterRow.name == name)
    newest = session.scalars(query.order_by(AdapterRow.version.desc()).limit(1)).first()
    is_same = newest is not None and (newest.sha256, newest.style) == (sha256, new.style)
    if newest is not None and is_same and newest.removed_at is None:
        return _stored(newest), False
    row = AdapterRow(
        name=name,
        version=1 if newest is None else newest.version + 1,
        sha256=sha256,
        num_bytes=new.path.stat().st_size,
        base_sha256=new.base_sha256,
        prompt=new.prompt,
        style=new.style,
        created_by=caller.name,
        created_at=now(),
    )
    session.add(row)
    session.flush()
    return _stored(row), True


def _live() -> Select[AdapterRow]:
    return select(AdapterRow).where(AdapterRow.removed_at.is_(None))


def _visible(access: Access) -> Select[AdapterRow]:
    if access.collection_ids is None:
        return _live()
    activated = select(AdapterActivationRow.reference).where(
        AdapterActivationRow.collection_id.in_(access.collection_ids)
    )
    reference = AdapterRow.name + "@" + cast(AdapterRow.version, String)
    return _live().where(reference.in_(activated))


def _stored(row: AdapterRow) -> StoredAdapter:
    return StoredAdapter(
        name=row.name,
        version=row.version,
        sha256=row.sha256,
        num_bytes=row.num_bytes,
        base_sha256=row.base_sha256,
        prompt=row.prompt,
        style=row.style,  # type: ignore[arg-type]  # `add` lets in nothing else
        created_at=row.created_at,
    )


def _nothing_before() -> CimientoError:
    return NoEarlierAdapterError("no adapter was active before: there is nothing to undo")
