"""What a map of a collection costs, and how well it keeps neighbours together.

    python -m benchmarks.map [--quick] [--json FILE] [--folder FOLDER]
    python -m benchmarks.map --library DATA_DIR [--collection NAME] [--picture FILE.svg]

Draws a synthetic library of ten and of a hundred thousand chunks by the service's own way, from the
rows to the picture; --library draws a collection of one's own. `neighbours` is the share of the 15
nearest of a thousand sampled chunks that are among the 15 nearest on the map; `neighbours_plain` is
that of the first two principal components, the map that costs nothing.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Final

import faiss
import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from benchmarks.report import build_manifest, report
from benchmarks.scale_library import BATCH, COMMON, Distribution, Shelf, add_batch, create
from core.database import Database
from core.ids import CollectionId
from core.segments import Vectors
from core.tables import CollectionRow
from retrieval.map.layout import principal_axes
from retrieval.map.mapper import Mapper
from retrieval.map.options import MapOptions
from retrieval.map.picture import draw_svg
from retrieval.map.rows import load_vectors

_SIZES: Final = (10_000, 100_000)
_NUM_SAMPLED: Final = 1_000
_NUM_NEIGHBOURS: Final = 15
_WORDS_A_TEXT: Final = 90
_SEED: Final = 0


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="ten thousand chunks only")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--folder", type=Path, help="where the library is built; needs 500 MB")
    parser.add_argument("--library", type=Path, help="a data folder with documents")
    parser.add_argument("--collection", default="default")
    parser.add_argument("--picture", type=Path, help="write the last map here")
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    if arguments.library:
        database = Database(f"sqlite:///{arguments.library / 'cimiento.db'}")
        collection = _find(database, arguments.collection)
        figures |= _measure(database, collection, arguments.picture)
    else:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            shelf = Shelf(Path(folder))
            create(shelf)
            database = shelf.open()
            held = 0
            for size in _SIZES[:1] if arguments.quick else _SIZES:
                _fill(shelf, database, range(held // BATCH, size // BATCH))
                held = size
                found = _measure(database, COMMON, arguments.picture)
                figures |= {f"{name}_{size // 1_000}k": value for name, value in found.items()}
    database.close()
    settings = {"seed": _SEED, "neighbours": _NUM_NEIGHBOURS, "sampled": _NUM_SAMPLED}
    report(figures, build_manifest("map", settings), json_path=arguments.json)


def _find(database: Database, name: str) -> CollectionId:
    with database.read_scope() as session:
        query = select(CollectionRow.id).where(CollectionRow.name == name)
        return CollectionId(session.scalars(query).one())


def _fill(shelf: Shelf, database: Database, batches: range) -> None:
    distribution = Distribution()
    for number in batches:
        draw = np.random.default_rng([_SEED, number])
        # as rare and as frequent as words are: the n-th turns up a tenth as often as the first
        ranks = draw.zipf(1.3, (BATCH, _WORDS_A_TEXT)).clip(max=20_000)
        texts = [" ".join(map(_word, row)) for row in ranks.tolist()]
        add_batch(shelf, database, number * BATCH, distribution.draw(number, BATCH), texts)


def _word(rank: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in f"{rank:04}")


def _measure(
    database: Database, collection: CollectionId, picture: Path | None
) -> dict[str, float]:
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    drawn = Mapper(database, num_threads=os.cpu_count() or 1).draw(collection, MapOptions())
    drawn_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    started_s = time.perf_counter()
    svg = draw_svg(drawn, title="map")
    svg_s = time.perf_counter() - started_s
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    if picture is not None:
        picture.write_text(svg, encoding="utf-8")
    with database.read_scope() as session:
        vectors = load_vectors(session, drawn.chunk_ids).astype(np.float32)
    plain = (vectors - vectors.mean(axis=0)) @ principal_axes(vectors, 2)
    return {
        "chunks": float(len(vectors)),
        "map_s": drawn_s,
        "map_cpu_s": cpu_s,
        "svg_s": svg_s,
        "svg_bytes": float(len(svg)),
        "peak_rss_bytes": peak_bytes,
        "neighbours": _kept(vectors, drawn.places.astype(np.float32)),
        "neighbours_plain": _kept(vectors, np.ascontiguousarray(plain)),
    }


def _kept(vectors: Vectors, places: npt.NDArray[np.float32]) -> float:
    draw = np.random.default_rng(_SEED)
    chosen = draw.choice(len(vectors), min(len(vectors), _NUM_SAMPLED), replace=False)
    wanted = _NUM_NEIGHBOURS + 1  # itself comes along
    _, exact = faiss.knn(vectors[chosen], vectors, wanted, metric=faiss.METRIC_INNER_PRODUCT)
    _, found = faiss.knn(places[chosen], places, wanted)
    shares = [
        len(_others(near, own) & _others(shown, own)) / _NUM_NEIGHBOURS
        for own, near, shown in zip(chosen.tolist(), exact.tolist(), found.tolist(), strict=True)
    ]
    return float(np.mean(shares))


def _others(near: list[int], own: int) -> set[int]:
    return set([position for position in near if position != own][:_NUM_NEIGHBOURS])


if __name__ == "__main__":
    main()
