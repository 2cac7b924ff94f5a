"""`verify` knows the store that other machines take segments from."""

from pathlib import Path

import pytest

from core.blobs import FolderBlobStore, is_whole
from core.merging import Workshop, publish_missing
from core.segment_files import SegmentFiles
from core.verify import Finding, check_published
from core.verify import published as published_module
from tests.library import Library


@pytest.fixture
def files(library: Library, tmp_path: Path) -> SegmentFiles:
    """Two documents, in segments that are in the store."""
    files = SegmentFiles(library.root, FolderBlobStore(tmp_path / "shared"))
    for name in ("a.txt", "b.txt"):
        library.publish(library.default_collection(), name, [f"the word of {name}"])
    publish_missing(Workshop(library.database, files))
    return files


def blobs(files: SegmentFiles) -> list[str]:
    """What is in the store."""
    assert files.shared is not None
    return sorted(files.shared.list())


def check(library: Library, files: SegmentFiles, *, repair: bool = False) -> tuple[Finding, ...]:
    """What is found."""
    return check_published(library.database, files, repair=repair).findings


def test_what_agrees_is_counted(library: Library, files: SegmentFiles) -> None:
    checked = check_published(library.database, files, repair=False)
    assert (checked.name, checked.num_checked, checked.findings) == ("published", 2, ())
    alone = check_published(library.database, SegmentFiles(library.root), repair=False)
    assert (alone.num_checked, alone.findings) == (0, ())


@pytest.mark.parametrize("fault", ["lost", "damaged"])
@pytest.mark.parametrize("looked_at_by", ["its writer", "another machine"])
def test_what_others_cannot_fetch_is_published_anew(
    library: Library, files: SegmentFiles, tmp_path: Path, fault: str, looked_at_by: str
) -> None:
    assert files.shared is not None
    first, second = blobs(files)
    if fault == "lost":
        files.shared.delete([first])
    else:
        (tmp_path / "shared" / first[:2] / first).write_bytes(b"rotten")
    if looked_at_by == "another machine":
        files = SegmentFiles(tmp_path / "elsewhere/segments", files.shared)
    (found,) = check(library, files)
    assert (found.kind, found.subject, found.mended) == ("published_segment", first, False)
    (found,) = check(library, files, repair=True)
    assert found.mended
    assert check(library, files) == ()
    assert second in blobs(files)
    assert files.shared is not None
    assert is_whole(files.shared, second)


def test_what_no_manifest_names_goes_once_nobody_can_be_about_to_name_it(
    library: Library, files: SegmentFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert files.shared is not None
    with files.shared.begin() as blob:
        blob.write(b"left by a process that died")
        blob.keep()
    assert check(library, files, repair=True) == ()
    monkeypatch.setattr(published_module, "PUBLISHING_S", 0.0)
    (found,) = check(library, files)
    assert (found.kind, found.subject) == ("orphan_published", blob.sha256)
    assert check(library, files, repair=True)[0].mended
    assert blob.sha256 not in blobs(files)
    assert len(blobs(files)) == 2
