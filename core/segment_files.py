"""Segments in a folder of this machine, and packed in the store that other machines read.

A segment is packed as one blob, whose hash its row names: what is fetched is what was published,
byte for byte, or an error. It is unpacked beside its place and renamed into it, so that a reader
meets a whole segment or none. Where there is no store, the folder is all there is.
"""

import math
import shutil
import tarfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast
from uuid import uuid4

import structlog

from core.blobs import BlobStore
from core.durable import stood_still, sync_folder
from core.errors import (
    AlreadyRunningError,
    BlobDamagedError,
    BlobMissingError,
    BlobStoreRefusedError,
    BlobStoreUnavailableError,
    SegmentCorruptError,
)
from core.ids import SegmentId
from core.locks import file_lock
from core.segments import (
    FILE_NAMES,
    REMEDY,
    WRITING,
    Segment,
    SegmentContent,
    build_segment,
    delete_segment,
    list_segments,
    load_segment,
    save_segment,
    sync_files,
)

log = structlog.get_logger()

_DOING: Final = "fetches segments"
# From a segment's files to the transaction that names it: no stage stalls for so long.
PUBLISHING_S: Final = 3600.0
# The longest way from the store.
_FETCHING_S: Final = 24 * 3600.0


class NamedSegment(Protocol):
    """What the manifest says of a segment; `sha256` is None where it is in no store."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def num_vectors(self) -> int:
        """How many vectors it holds."""
        ...

    @property
    def sha256(self) -> str | None:
        """The blob that it is packed in."""
        ...


@dataclass(frozen=True, slots=True)
class SegmentFiles:
    """Where segments are. `shared` is a store of their own, in which nothing else is."""

    root: Path
    shared: BlobStore | None = None

    def write(self, segment_id: SegmentId, content: SegmentContent) -> str | None:
        """Build a flat segment and save it; as `save`."""
        return self.save(build_segment(segment_id, content))

    def save(self, segment: Segment) -> str | None:
        """Write a segment durably, here and to the store; returns the blob that it is packed in.

        Raises OSError and the errors of the store; nothing is left here then.
        """
        save_segment(self.root, segment)
        try:
            return self.publish(segment.id)
        except BaseException:
            delete_segment(self.root, segment.id)
            raise

    def publish(self, segment_id: SegmentId) -> str | None:
        """Pack a segment that is here into the store; None where there is no store."""
        if self.shared is None:
            return None
        folder = self.root / segment_id
        with self.shared.begin() as blob:
            # written to, and nothing else
            stream = cast("BinaryIO", blob)
            with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as packed:
                # with its name: no other segment is the same blob, so that it can be deleted alone
                for path in sorted(folder.iterdir()):
                    packed.add(path, arcname=f"{segment_id}/{path.name}", recursive=False)
            blob.keep()
            return blob.sha256

    def load(self, named: NamedSegment) -> Segment:
        """Open a segment that is here; what is not, or is damaged, is fetched first.

        Raises `SegmentCorruptError` where neither the folder nor the store has it whole, and the
        errors of the store.
        """
        try:
            return self.load_here(named)
        except SegmentCorruptError:
            if not self.fetch(named):
                raise
        return self.load_here(named)

    def load_here(self, named: NamedSegment) -> Segment:
        """Open a segment that is here. Raises `SegmentCorruptError`."""
        return load_segment(self.root, SegmentId(named.id), num_vectors=named.num_vectors)

    def fetch(self, named: NamedSegment) -> bool:
        """Bring a segment here, unless somebody else of this machine just did; whether it is here.

        False where it is in no store. Raises `SegmentCorruptError` and the errors of the store.
        """
        if self.shared is None or named.sha256 is None:
            return False
        self.root.mkdir(parents=True, exist_ok=True)
        # one lock a segment: a small one must not wait for a large one
        lock = self._fetching_lock(named.id)
        with file_lock(lock, doing=_DOING, wait_s=math.inf):
            try:
                if not self._is_here(named):
                    self._fetch(self.shared, named.sha256, SegmentId(named.id))
            finally:
                # it saves work and no more: who waits for this file finds the segment here
                lock.unlink(missing_ok=True)
        return True

    def list_idle(self) -> set[SegmentId]:
        """Every folder below the root but those that a fetch under way is filling.

        Whoever only searches fetches too, and holds no lock but that of the segment. Read the
        manifest behind this: what is fetched is named there before it is here.
        """
        return {name for name in list_segments(self.root) if not self._is_being_filled(name)}

    def delete(self, segment_id: SegmentId, sha256: str | None) -> None:
        """Remove a segment that no manifest names any more, here and in the store.

        Where the store is away, its blob stays until workers sweep it.
        """
        delete_segment(self.root, segment_id)
        self.unpublish([sha256])

    def evict(self, named: Collection[SegmentId], *, known: Collection[SegmentId]) -> None:
        """Remove from this machine what no manifest names any more, where a store has the rest.

        `known` were named once, and are not written anew; others only once they stood still long:
        somebody may be about to name them.
        """
        if self.shared is None:
            return  # whoever replaces segments removes them
        for name in self.list_idle() - set(named):
            limit_s = _FETCHING_S if name.endswith(WRITING) else PUBLISHING_S
            if name in known or stood_still(self.root / name, limit_s):
                delete_segment(self.root, name)

    def unpublish(self, sha256s: Iterable[str | None]) -> None:
        """Remove blobs from the store, if it answers."""
        if self.shared is None:
            return
        try:
            self.shared.delete([sha256 for sha256 in sha256s if sha256 is not None])
        except (BlobStoreUnavailableError, BlobStoreRefusedError) as error:
            log.warning("segments_left", reason=str(error), remedy="a worker removes them later")

    def _is_being_filled(self, folder: SegmentId) -> bool:
        if self.shared is None or not folder.endswith(WRITING):
            return False
        lock = self._fetching_lock(folder.partition(".")[0])
        # its file stays: who has opened it meanwhile would hold what nobody else sees
        if lock.exists():
            try:
                with file_lock(lock, doing=_DOING, wait_s=0.0, shared=True):
                    pass
            except AlreadyRunningError:
                return True
        # it may have ended while we looked
        return not (self.root / folder).exists()

    def _fetching_lock(self, segment_id: str) -> Path:
        return self.root.parent / "fetching" / f"{segment_id}.lock"

    def _is_here(self, named: NamedSegment) -> bool:
        try:
            self.load_here(named)
        except SegmentCorruptError:
            return False
        return True

    def _fetch(self, shared: BlobStore, sha256: str, segment_id: SegmentId) -> None:
        # under a name that sweeps take for half a segment, should this process die
        place = self.root / f"{segment_id}.{uuid4().hex}{WRITING}"
        place.mkdir()
        try:
            with shared.local_file(sha256, place) as packed:
                _unpack(packed, place / "unpacked", segment_id)
            target = self.root / segment_id
            if target.exists():
                # who has it open keeps its files
                target.rename(place / "damaged")
            # rename last: a reader must never see half a segment
            (place / "unpacked").rename(target)
            sync_folder(self.root)
        except (BlobMissingError, BlobDamagedError, tarfile.TarError) as error:
            raise SegmentCorruptError(
                f"segment {segment_id} cannot be fetched ({error}); {REMEDY}"
            ) from error
        finally:
            shutil.rmtree(place, ignore_errors=True)
        log.info("segment_fetched", segment=segment_id)


def _unpack(packed: Path, folder: Path, segment_id: SegmentId) -> None:
    folder.mkdir()
    with tarfile.open(packed, mode="r:") as archive:
        for member in archive:
            name = member.name.removeprefix(f"{segment_id}/")
            file = archive.extractfile(member) if name in FILE_NAMES else None
            if file is None:
                raise tarfile.TarError(f"it holds {member.name!r}, which is none of its files")
            with file, (folder / name).open("wb") as target:
                shutil.copyfileobj(file, target)
    sync_files(folder)
    sync_folder(folder)
