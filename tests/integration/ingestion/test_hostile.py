"""Every hostile file comes to one named end, within its limits, and leaves nothing behind.

The slow ones, and the whole set through the real service, are `python -m benchmarks.hostile`.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core.errors import CimientoError
from ingestion.media_types import detect_media_type
from ingestion.parsing.sandbox import Sandbox
from tests.hostile import HOSTILE
from tests.hostile.kinds import Hostile
from tests.unit.ingestion.house import EVERYTHING, LIMITS, House


def test_the_set_is_large_and_every_kind_has_its_name() -> None:
    assert len({hostile.kind for hostile in HOSTILE}) == len(HOSTILE) >= 70


def test_every_hostile_file_comes_to_a_named_end(tmp_path: Path) -> None:
    sandbox = Sandbox(LIMITS)
    with ThreadPoolExecutor(2) as pool:
        quick = [hostile for hostile in HOSTILE if not hostile.is_slow]
        ends = list(pool.map(lambda hostile: _end(hostile, sandbox, tmp_path), quick))
    wrong = {
        hostile.kind: end
        for hostile, end in zip(quick, ends, strict=True)
        if end not in hostile.ends
    }
    assert wrong == {}
    assert list(tmp_path.iterdir()) == []


def _end(hostile: Hostile, sandbox: Sandbox, root: Path) -> str:
    with tempfile.TemporaryDirectory(dir=root) as name:
        source, work = Path(name) / "source", Path(name) / "work"
        source.write_bytes(hostile.build())
        work.mkdir()
        try:
            media_type = detect_media_type(source, hostile.name)
            parsed = sandbox.parse(source, media_type, folder=work, on_tick=lambda *_: None)
        except CimientoError as error:
            return error.code if len(str(error)) > 10 else f"{error.code} without a word"
        finally:
            assert sorted(path.name for path in Path(name).iterdir()) == ["source", "work"]
            assert list(work.iterdir()) == []
        assert "root:" not in parsed.text
        return "searchable"


def test_hostile_names_name_no_place(house: House) -> None:
    for name in (
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\Windows\\system.ini",
        "a\x00.txt",
        "line\nbreak\x1b[31m.txt",
        "\u202etxt.exe",
        "\u2066\u200fa.pdf",
        "a" * 500 + ".txt",
        " . ",
        "",
        "\ud800.txt",
        "CON",
    ):
        house.upload(name, b"words")
    shown = [document.name for document in house.documents.list(EVERYTHING)]
    assert all(0 < len(name) <= 255 and "/" not in name and name.isprintable() for name in shown)
    assert not any(char in name for name in shown for char in "\\\u202e\u2066\u200f\x00")
    assert not any(set(name) <= {"."} for name in shown)
