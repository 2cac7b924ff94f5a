"""A folder of backups: objects by their hash, and a manifest for each backup. Knows no database.

An object is whole or absent, and written once however many backups name it. A backup exists from
the moment its manifest is renamed into place: whatever was killed before that is no backup, and the
next one goes on from its objects.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Final

from app.backup.errors import BackupDamagedError, BackupNotFoundError
from app.backup.manifest import Manifest, Part, Table
from core.blobs import FolderBlobStore, hash_file
from core.deletions import LOG_NAME, DeletionLog
from core.durable import replace_file, sync_folder
from core.errors import BlobMissingError
from core.locks import file_lock

_DOING: Final = "makes or removes backups"


class BackupFolder:
    """Where backups lie. Reading needs no lock; whoever writes holds `writing`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._manifests = root / "backups"

    @property
    def deletions(self) -> DeletionLog:
        """What was deleted until the last backup, whatever backups hold."""
        return DeletionLog(self._root / LOG_NAME)

    def writing(self) -> AbstractContextManager[None]:
        """Make the folder where there is none, and hold it. Raises `AlreadyRunningError`."""
        # what is in it is as secret as the data folder
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._manifests.mkdir(exist_ok=True, mode=0o700)
        return file_lock(self._root / "backup.lock", doing=_DOING, wait_s=0.0)

    @cached_property
    def _objects(self) -> FolderBlobStore:
        return FolderBlobStore(self._root / "objects")

    def list_objects(self) -> set[str]:
        """The hash of every object."""
        return set(self._objects.list())

    def clear_incoming(self) -> None:
        """Remove what a killed backup had half written."""
        self._objects.sweep_incoming()

    def put_rows(self, lines: bytes, *, known: set[str]) -> str:
        """Keep lines of rows, compressed; returns the object's hash. Adds it to `known`."""
        with self._objects.begin() as pending:
            # without a moment: equal rows are equal bytes
            pending.write(gzip.compress(lines, compresslevel=6, mtime=0))
            if pending.sha256 not in known:
                pending.keep()
                known.add(pending.sha256)
            return pending.sha256

    def put_file(self, path: Path) -> str:
        """Keep a copy of a file; returns its hash. Raises `FileNotFoundError`."""
        with self._objects.begin() as pending:
            pending.write_file(path)
            pending.keep()
            return pending.sha256

    def put_bytes(self, chunks: Iterable[bytes]) -> str:
        """Keep bytes that come some at a time; returns their hash.

        Nothing is kept where `chunks` raises.
        """
        with self._objects.begin() as pending:
            for data in chunks:
                pending.write(data)
            pending.keep()
            return pending.sha256

    def keep(self, manifest: Manifest) -> None:
        """Make it a backup: everything that it names is there already, and on the disk."""
        data = manifest.to_bytes()
        # rename last: half a backup must never look like one
        replace_file(self._manifests / f"{manifest.id}.json", lambda file: file.write(data))
        sync_folder(self._root)

    def list_ids(self) -> list[str]:
        """The ids of the backups there are, oldest first."""
        return sorted(path.stem for path in self._manifests.glob("bak_*.json"))

    def get(self, backup_id: str | None) -> Manifest:
        """A backup, by default the newest. Raises `BackupNotFoundError`, `BackupDamagedError`."""
        ids = self.list_ids()
        if not ids or backup_id not in (None, *ids):
            wanted = f"no backup {backup_id!r}" if ids else "no backup"
            raise BackupNotFoundError(f"there is {wanted} in {self._root}")
        name = backup_id or ids[-1]
        data = (self._manifests / f"{name}.json").read_bytes()
        return Manifest.from_bytes(data, name=name)

    def path(self, sha256: str) -> Path:
        """The file of an object. Raises `BackupDamagedError`."""
        try:
            return self._objects.path(sha256)
        except BlobMissingError as error:
            raise BackupDamagedError(f"the backup lacks its object {sha256}") from error

    def read_lines(self, part: Part) -> list[bytes]:
        """The lines of some rows. Raises `BackupDamagedError`."""
        try:
            lines = gzip.decompress(self.path(part.sha256).read_bytes()).splitlines()
        except (OSError, EOFError, zlib.error) as error:
            detail = f"the object {part.sha256} of the backup cannot be read: {error}"
            raise BackupDamagedError(detail) from error
        if len(lines) != part.num_rows:
            raise BackupDamagedError(
                f"the object {part.sha256} has {len(lines)} rows, the backup says {part.num_rows}"
            )
        return lines

    def check(self, sha256s: Iterable[str]) -> int:
        """Hash every object again; returns how many. Raises `BackupDamagedError`."""
        num_checked = 0
        for sha256 in sha256s:
            if hash_file(self.path(sha256)) != sha256:
                raise BackupDamagedError(
                    f"the object {sha256} of the backup has changed; try an earlier backup"
                )
            num_checked += 1
        return num_checked

    def prune(self, *, keep: int) -> int:
        """Remove all but the newest backups, and what only they named; how many backups went."""
        ids = self.list_ids()
        old, kept = ids[:-keep], ids[-keep:]
        if not old:
            return 0
        # first read what stays: a damaged manifest must not cost the others their objects
        needed = {sha256 for name in kept for sha256 in self.objects_of(self.get(name))}
        for name in old:
            (self._manifests / f"{name}.json").unlink()
        sync_folder(self._manifests)
        for sha256 in self.list_objects() - needed:
            self._objects.delete([sha256])
        return len(old)

    def objects_of(self, manifest: Manifest) -> Iterator[str]:
        """The hash of every object that a backup names."""
        for table in (*manifest.tables, manifest.documents):
            yield from (part.sha256 for part in table.parts)
        yield from (file.sha256 for file in manifest.files)
        yield from self.documents_of(manifest.documents)

    def documents_of(self, documents: Table) -> Iterator[str]:
        """The hash of every uploaded file that a backup has."""
        for part in documents.parts:
            # [hash, number of bytes]: the hash is the first string of each line
            yield from (line.split(b'"')[1].decode() for line in self.read_lines(part))
