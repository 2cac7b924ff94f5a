"""How much ordinary text is taken for an instruction to the machine, and so is never quoted.

Every sentence of real documents is read as `generation.instructions` reads it when the question is
about something else. What it finds there is a false alarm, until somebody shows that it was written
for a machine; `--show` prints each, so that a person can judge. The sentences of a handbook
(`tests.hostile.handbook_texts`) are written by hand, because none of the sets is a handbook.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.report import build_manifest, report
from benchmarks.text_sets import read_rows
from core.errors import CimientoError
from generation.instructions import find_instructions
from generation.sentences import split_sentences
from ingestion.media_types import detect_media_type
from ingestion.parsing.document import ParseLimits
from ingestion.parsing.sandbox import Sandbox
from tests.hostile.handbook_texts import HANDBOOK

# About none of the documents, and neither about instructions nor about what to say.
_QUESTION: Final = "When does the museum open?"
_ROWS: Final = (
    "clapnq/corpus.jsonl",
    "squad_en/corpus.jsonl",
    "squad_es/v1.1.corpus.jsonl",
    "xquad/corpus.es.jsonl",
)
_QUICK: Final = 200
_LIMITS: Final = ParseLimits(
    timeout_s=60.0,
    page_timeout_s=60.0,
    memory_bytes=4 << 30,
    max_text_chars=5_000_000,
    max_pages=500,
    max_image_pixels=20_000_000,
    ocr=False,
)

Figures = dict[str, float]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    parser.add_argument("--quick", action="store_true", help="few documents of each kind")
    parser.add_argument("--show", action="store_true", help="print what was found")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    limit = _QUICK if options.quick else None
    sources: dict[str, Iterator[str]] = {
        name.replace("/", "_").removesuffix(".jsonl"): (
            row["text"] for row in read_rows(options.data / name)
        )
        for name in _ROWS
    }
    sources["fastapi_docs"] = _pages(options.data / "fastapi_docs")
    sources["ingest_files"] = _files(options.data / "ingest_files" / "real")
    figures: Figures = {}
    for name, texts in sources.items():
        figures |= count(name, texts, limit=limit, is_shown=options.show)
    for language, sentences in HANDBOOK.items():
        figures |= count(f"handbook_{language}", iter(sentences), limit=None, is_shown=options.show)
    report(
        figures, build_manifest("instruction_alarms", {"limit": limit or 0}), json_path=options.json
    )


def count(name: str, texts: Iterator[str], *, limit: int | None, is_shown: bool) -> Figures:
    """Texts and sentences of one kind, and in how many of either something was found."""
    num_texts = num_sentences = num_alarming = num_found = 0
    for text in texts:
        if num_texts == limit:
            break
        found = find_instructions(text, _QUESTION)
        num_texts += 1
        num_sentences += sum(1 for _ in split_sentences(text))
        num_found += len(found)
        num_alarming += bool(found)
        for start, end in found if is_shown else ():
            print(f"{name}: {' '.join(text[start:end].split())[:300]}")
    return {
        f"{name}_texts": num_texts,
        f"{name}_texts_with_alarms": num_alarming,
        f"{name}_sentences": num_sentences,
        f"{name}_false_alarms": num_found,
    }


def _pages(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.md")):
        yield path.read_text(encoding="utf-8")


def _files(folder: Path) -> Iterator[str]:
    """The texts of real files, as the service's parser reads them; others are passed over."""
    sandbox = Sandbox(_LIMITS)
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        with TemporaryDirectory() as work:
            try:
                media_type = detect_media_type(path, path.name)
                parsed = sandbox.parse(path, media_type, folder=Path(work), on_tick=lambda *_: None)
            except CimientoError:
                continue
        yield parsed.text


if __name__ == "__main__":
    main()
