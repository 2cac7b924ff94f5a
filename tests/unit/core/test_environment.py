"""Settings come from the environment, or from files that it names."""

from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import load_settings

KEY = "CIMIENTO_WORKER__API_KEY"
URL = "CIMIENTO_DATABASE__URL"


def test_a_setting_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    (tmp_path / "folder").write_text(f"{tmp_path}\n")
    monkeypatch.setenv(f"{KEY}_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("CIMIENTO_DATA_DIR_FILE", str(tmp_path / "folder"))
    monkeypatch.setenv("CIMIENTO_WORKER__PORT", "9000")
    settings = load_settings()
    assert settings.worker.api_key is not None
    assert settings.worker.api_key.get_secret_value() == "from-a-file"
    # another of the same group, from the environment
    assert settings.worker.port == 9000
    assert settings.data_dir == tmp_path


def test_a_file_of_a_secret_and_the_secret_itself_are_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("from-a-file")
    monkeypatch.setenv(f"{KEY}_FILE", str(tmp_path / "key"))
    monkeypatch.setenv(KEY, "from-the-environment")
    with pytest.raises(SettingsError, match=f"{KEY}_FILE: {KEY} is set as well") as caught:
        load_settings()
    assert "from-" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "cannot be read"),
        (b"x" * 70_000, "has more than"),
    ],
    ids=["missing", "empty", "no text", "too long"],
)
def test_a_file_without_a_value_ends_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / "url").write_bytes(content)
    monkeypatch.setenv(f"{URL}_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingsError, match=rf"{URL}_FILE: .*url {reason}"):
        load_settings()


def test_a_value_in_a_file_is_held_to_the_same_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "port").write_text("70000")
    monkeypatch.setenv("CIMIENTO_WORKER__PORT_FILE", str(tmp_path / "port"))
    with pytest.raises(SettingsError, match=r"CIMIENTO_WORKER__PORT: .*65535"):
        load_settings()


@pytest.mark.parametrize("name", ["CIMIENTO_WORKER__API_KEI_FILE", "CIMIENTO_WORKER__API_KEI"])
def test_a_misspelt_name_ends_the_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/run/secrets/key")
    with pytest.raises(SettingsError, match="is not a setting"):
        load_settings()
