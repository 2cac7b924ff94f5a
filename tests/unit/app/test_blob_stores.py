"""The settings say which blob store there is; what they cannot say is refused at the start."""

import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from app.blob_stores import build_blobs
from core.blobs import FolderBlobStore
from core.errors import SettingsError
from core.s3_blobs import S3BlobStore
from core.settings import Settings, load_settings


def settings_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **blobs: str) -> Settings:
    """Settings as the environment gives them."""
    monkeypatch.setenv("CIMIENTO_DATA_DIR", str(tmp_path / "data"))
    for key, value in blobs.items():
        monkeypatch.setenv(f"CIMIENTO_BLOBS__{key.upper()}", value)
    return load_settings()


def test_by_default_documents_are_in_the_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert isinstance(build_blobs(settings_with(monkeypatch, tmp_path)), FolderBlobStore)
    assert (tmp_path / "data/blobs").is_dir()


def test_a_folder_that_all_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shared = tmp_path / "shared disk"
    url = f"file://{quote(str(shared))}"
    build_blobs(settings_with(monkeypatch, tmp_path, url=url))
    assert (shared / "blobs").is_dir()
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = settings_with(monkeypatch, tmp_path, url=f"file://{tmp_path}/file/below")
    with pytest.raises(SettingsError, match="CIMIENTO_BLOBS__URL"):
        build_blobs(settings)


def test_a_bucket_with_keys_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the-secret\n")
    settings = settings_with(
        monkeypatch,
        tmp_path,
        url="s3://bucket/house",
        endpoint="http://127.0.0.1:1",
        access_key="AKIA",
        secret_key_file=str(secret),
    )
    assert settings.blobs.secret_key is not None
    assert settings.blobs.secret_key.get_secret_value() == "the-secret"
    assert "the-secret" not in repr(settings)
    assert isinstance(build_blobs(settings), S3BlobStore)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "http://bucket"),
        ("url", "s3://"),
        ("url", "s3://key:secret@bucket"),
        ("url", "file://host/folder"),
        ("endpoint", "s3.example.org"),
        ("endpoint", "https://key:secret@s3.example.org"),
        ("access_key", "alone"),
        ("timeout_s", "0"),
    ],
)
def test_what_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str, value: str
) -> None:
    with pytest.raises(SettingsError, match="CIMIENTO_BLOBS"):
        settings_with(monkeypatch, tmp_path, **{key: value})


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = settings_with(monkeypatch, tmp_path, url="s3://bucket")
    monkeypatch.delitem(sys.modules, "core.s3_blobs")
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(SettingsError, match=r"cimiento\[s3\]"):
        build_blobs(settings)
