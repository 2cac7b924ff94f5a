"""Measure what parsing keeps: the main text of messy pages, and the outcome of real files.

Pages are scored as the article extraction benchmark scores them: bags of words, and of four words
in a row, each page's counts made shares before they are averaged. trafilatura as it comes is
measured beside ours; published there: trafilatura 0.958, readability 0.922 (four words). Every file
of the manifest goes through the real sandbox, and must end as the manifest expects; where it names
a password, the file must open with that as well.
"""

import argparse
import csv
import gzip
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import trafilatura

from benchmarks.report import build_manifest, report
from core.errors import CimientoError
from core.settings import IngestionSettings
from ingestion.errors import (
    EmptyDocumentError,
    NoTextFoundError,
    ParseMemoryExceededError,
    ParserCrashedError,
    ParseTimeoutError,
    PasswordRequiredError,
    UnsupportedMediaTypeError,
)
from ingestion.media_types import detect_media_type
from ingestion.parsing import html
from ingestion.parsing.document import ParseLimits
from ingestion.parsing.sandbox import Sandbox

_SEED: Final = 20_261_125
_NUM_RESAMPLES: Final = 2_000
_WORD: Final = re.compile(r"\w+")
_QUICK_PAGES: Final = 20
_QUICK_EVERY: Final = 4
# How a file may end, by the first word or two of what the manifest expects.
_PARSED: Final = "parsed"
_ACCEPTED: Final = {
    "parse": {_PARSED},
    "parse_within_limits": {_PARSED},
    "parse_empty_user_password": {_PARSED},
    "parse_or_flag_needs_ocr": {_PARSED, NoTextFoundError.code},
    "parse_or_reject": {_PARSED, PasswordRequiredError.code},
    "ocr_or_unsupported": {_PARSED, UnsupportedMediaTypeError.code},
    "accept_zero_chunks_or_reject_empty": {NoTextFoundError.code, EmptyDocumentError.code},
    "reject_encrypted": {PasswordRequiredError.code},
}
_UNCLEAN: Final = {
    ParserCrashedError.code,
    ParseTimeoutError.code,
    ParseMemoryExceededError.code,
    CimientoError.code,
}


@dataclass(frozen=True, slots=True)
class Shares:
    """Of all runs of words on one page: found and right, found and wrong, missed."""

    right: float
    wrong: float
    missed: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one file of the manifest ended, without a password and, where there is one, with it."""

    file: str
    expected: str
    code: str
    code_with_password: str | None
    seconds: float

    @property
    def is_as_expected(self) -> bool:
        """Whether the manifest allows this end."""
        if self.code_with_password not in (None, _PARSED):
            return False
        expected = self.expected.split(" ")[0]
        if expected == "parse_or_clean_error":
            return self.code not in _UNCLEAN
        return self.code in _ACCEPTED[expected]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with html_extraction/ and ingest_files/"
    )
    parser.add_argument("--quick", action="store_true", help="20 pages, every fourth file")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    outcomes = run_manifest(
        options.data / "ingest_files", every=_QUICK_EVERY if options.quick else 1
    )
    pages = _QUICK_PAGES if options.quick else None
    figures = {
        "manifest_files": float(len(outcomes)),
        "manifest_as_expected": float(sum(outcome.is_as_expected for outcome in outcomes)),
        "manifest_passwords": float(sum(each.code_with_password is not None for each in outcomes)),
        "manifest_opened": float(sum(each.code_with_password == _PARSED for each in outcomes)),
        "manifest_slowest_s": max(outcome.seconds for outcome in outcomes),
        **score_pages(options.data / "html_extraction", limit=pages),
    }
    for outcome in outcomes:
        if not outcome.is_as_expected:
            sys.stdout.write(f"{outcome}\n")
    settings: dict[str, str | int | float] = {"files": len(outcomes), "seed": _SEED}
    report(figures, build_manifest("parsing", settings), json_path=options.json)


def run_manifest(folder: Path, *, every: int) -> list[Outcome]:
    """Every file through the door and the sandbox, as an upload goes."""
    defaults = IngestionSettings()
    limits = ParseLimits(
        timeout_s=defaults.parse_timeout_s,
        page_timeout_s=defaults.parse_stall_s,
        memory_bytes=defaults.parse_memory_bytes,
        max_text_chars=defaults.max_text_chars,
        max_pages=defaults.max_pages,
        max_image_pixels=defaults.max_image_pixels,
    )
    sandbox = Sandbox(limits)
    with (folder / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[::every]
    return [_run(sandbox, folder, row) for row in rows]


def score_pages(folder: Path, *, limit: int | None) -> dict[str, float]:
    """Word and four-word scores of our parser and of trafilatura as it comes."""
    gold = json.loads((folder / "ground-truth.json").read_text(encoding="utf-8"))
    names = sorted(gold)[:limit]
    pages = [gzip.decompress((folder / "html" / f"{name}.html.gz").read_bytes()) for name in names]
    texts = [str(gold[name]["articleBody"]) for name in names]
    figures: dict[str, float] = {"pages": float(len(pages))}
    extractors: tuple[tuple[str, Callable[[bytes], str]], ...] = (
        ("html", _ours),
        ("trafilatura", _trafilatura),
    )
    for label, extract in extractors:
        found = [extract(page) for page in pages]
        for length, kind in ((1, "words"), (4, "shingles")):
            shares = [_compare(*pair, length) for pair in zip(found, texts, strict=True)]
            precision, recall, f1 = _score(shares)
            low, high = _interval(shares)
            figures |= {
                f"{label}_f1_{kind}": f1,
                f"{label}_f1_{kind}_low": low,
                f"{label}_f1_{kind}_high": high,
                f"{label}_precision_{kind}": precision,
                f"{label}_recall_{kind}": recall,
            }
    return figures


def _run(sandbox: Sandbox, folder: Path, row: Mapping[str, str]) -> Outcome:
    path = folder / row["file"]
    # behind some passwords stands where they come from
    password = row["password"].partition(" (")[0]
    started = time.monotonic()
    code = _end(sandbox, path)
    seconds = time.monotonic() - started
    opened = _end(sandbox, path, password) if password else None
    return Outcome(row["file"], row["expected"], code, opened, seconds)


def _end(sandbox: Sandbox, path: Path, password: str | None = None) -> str:
    try:
        media_type = detect_media_type(path, path.name)
        with tempfile.TemporaryDirectory() as work:
            sandbox.parse(
                path, media_type, folder=Path(work), on_tick=lambda *_: None, password=password
            )
    except CimientoError as error:
        return error.code
    return _PARSED


def _ours(page: bytes) -> str:
    limits = ParseLimits(
        timeout_s=60,
        page_timeout_s=60,
        memory_bytes=0,
        max_text_chars=10_000_000,
        max_pages=1,
        max_image_pixels=0,
    )
    with tempfile.NamedTemporaryFile() as file:
        file.write(page)
        file.flush()
        return html.parse(Path(file.name), limits, lambda *_: None).text


def _trafilatura(page: bytes) -> str:
    return trafilatura.extract(page, include_comments=False) or ""


def _compare(found: str, gold: str, length: int) -> Shares:
    ours, theirs = _runs(found, length), _runs(gold, length)
    right = (ours & theirs).total()
    wrong, missed = ours.total() - right, theirs.total() - right
    total = max(1, right + wrong + missed)
    return Shares(right / total, wrong / total, missed / total)


def _runs(text: str, length: int) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(text)
    last = max(1, len(words) - length + 1) if words else 0
    return Counter(tuple(words[at : at + length]) for at in range(last))


def _score(shares: Sequence[Shares]) -> tuple[float, float, float]:
    precision = float(np.mean([_part(page.right, page.wrong) for page in shares]))
    recall = float(np.mean([_part(page.right, page.missed) for page in shares]))
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def _part(right: float, other: float) -> float:
    return right / (right + other) if right + other else 1.0


def _interval(shares: Sequence[Shares]) -> tuple[float, float]:
    # 95 %, by resampling the pages
    rng = np.random.default_rng(_SEED)
    scores = [
        _score([shares[index] for index in rng.integers(0, len(shares), len(shares))])[2]
        for _ in range(_NUM_RESAMPLES)
    ]
    low, high = np.quantile(scores, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
