"""The dense index from ten thousand chunks to a million, on this machine.

    python -m benchmarks.scale [--quick] [--json FILE] [--folder FOLDER]

Builds a synthetic library by the service's own writing and merging, and searches it in a fresh
process by its own reading, masking and joining. `p50` is the whole search without the embedding of
the question; `overhead` is what the dense part costs over the bare calls of FAISS, with the same
lists probed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.report import build_manifest, report
from benchmarks.scale_library import BATCH, NUM_DIMENSIONS, Distribution, Shelf, add_chunks, create
from core.merge_plan import choose_full_merge
from core.merging import Workshop, merge_once
from core.segment_files import SegmentFiles

_SIZES: Final = (10_000, 100_000, 1_000_000)
_QUICK_SIZES: Final = (10_000, 50_000)
_NAMES: Final = {10_000: "10k", 50_000: "50k", 100_000: "100k", 1_000_000: "1m"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fifty thousand chunks at most")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--folder", type=Path, help="where the library is built; needs 4 GB")
    arguments = parser.parse_args()
    sizes = _QUICK_SIZES if arguments.quick else _SIZES
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures = _run(Shelf(Path(folder)), sizes)
    settings = ", ".join(_NAMES[size] for size in sizes)
    manifest = build_manifest("scale", {"sizes": settings, "dimensions": NUM_DIMENSIONS})
    report(figures, manifest, json_path=arguments.json)


def _run(shelf: Shelf, sizes: tuple[int, ...]) -> dict[str, float]:
    create(shelf)
    distribution = Distribution()
    figures: dict[str, float] = {}
    held = 0
    for size in sizes:
        add_chunks(shelf, distribution, range(held // BATCH, size // BATCH))
        held = size
        built = _merge(shelf)
        found = built | _search(shelf, size)
        figures |= {f"{name}_{_NAMES[size]}": value for name, value in found.items()}
        print({name: round(value, 4) for name, value in found.items()}, file=sys.stderr)
    largest = _NAMES[sizes[-1]]
    for name in ("visible_after_s", "restart_s"):
        figures[name] = figures[f"{name}_{largest}"]
    return figures


def _merge(shelf: Shelf) -> dict[str, float]:
    database = shelf.open()
    shop = Workshop(database, SegmentFiles(shelf.segments_root), num_threads=os.cpu_count() or 1)
    started_s = time.perf_counter()
    while merge_once(shop, choose_full_merge) is not None:
        pass
    merge_s = time.perf_counter() - started_s
    database.close()
    files = [path for path in shelf.folder.rglob("*") if path.is_file()]
    return {
        "merge_s": merge_s,
        "disk_bytes": float(sum(path.stat().st_size for path in files)),
        "build_peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0,
    }


def _search(shelf: Shelf, num_chunks: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.scale_search", str(shelf.folder)]
    done = subprocess.run(
        [*command, str(num_chunks), str(time.time())], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    main()
