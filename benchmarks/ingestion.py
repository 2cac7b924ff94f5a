"""Ingestion beside the plainest script that could do it, and the encoder beside its peer.

    python -m benchmarks.ingestion [--quick] [--json FILE] [--data FOLDER] [--articles N]

Both sides are measured in one run and by turns, each in processes of its own: the ratios count
(above 1: ours is faster), the absolute figures belong to the machine.

End to end: `cimiento add FOLDER` into a new data folder, with durable jobs, a parser process for
every file, the database and the segments, beside `benchmarks.ingestion_script`, which has none of
them. Both from the start of the process to its end. The files are the first N articles of squad_en
in the order of a fixed seed (all by default: hours for the script), else this project's own pages.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.report import build_manifest, report
from core.embedding import EmbedderSpec
from core.local_embedder import LocalEmbedder
from core.models import ModelStore, get_spec
from core.settings import Settings, load_settings

_ROOT: Final = Path(__file__).parent.parent
_CHUNK_CHARS: Final = 900
_SEED: Final = 4
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plan:
    num_articles: int | None  # None: all of them
    num_texts: int
    num_rounds: int


FULL: Final = Plan(num_articles=None, num_texts=128, num_rounds=3)
QUICK: Final = Plan(num_articles=3, num_texts=32, num_rounds=1)


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ran to its end: seconds, the most memory of any of its processes, output."""

    seconds: float
    peak_rss_bytes: int
    output: Any


# Each side of the embedding lives in a worker process, and keeps its model here.
_SIDE: dict[str, Any] = {}


def load_ours(folder: Path, spec: EmbedderSpec) -> None:
    _SIDE["embedder"] = LocalEmbedder(folder, spec)


def embed_ours(texts: Sequence[str]) -> tuple[float, Vectors]:
    started = time.perf_counter()
    vectors: Vectors = _SIDE["embedder"].embed_passages(texts)
    return time.perf_counter() - started, vectors


def load_theirs(folder: Path) -> None:
    # of the other side alone
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415  # takes seconds, only the peer needs it

    _SIDE["model"] = SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def embed_theirs(texts: Sequence[str]) -> tuple[float, Vectors]:
    """With default arguments, so sorted by length and 32 at once."""
    started = time.perf_counter()
    vectors: Vectors = _SIDE["model"].encode(texts)
    return time.perf_counter() - started, vectors


def compare_embedding(
    texts: Sequence[str], folder: Path, spec: EmbedderSpec, *, num_rounds: int
) -> dict[str, float]:
    """Texts a second of both, by turns; and how near the vectors are."""
    spawn = get_context("spawn")
    with (
        ProcessPoolExecutor(1, spawn, initializer=load_ours, initargs=(folder, spec)) as ours,
        ProcessPoolExecutor(1, spawn, initializer=load_theirs, initargs=(folder,)) as theirs,
    ):
        prefixed = [spec.passage_prefix + text for text in texts]
        ours.submit(embed_ours, texts[:8]).result()
        theirs.submit(embed_theirs, prefixed[:8]).result()
        pairs = [
            (
                ours.submit(embed_ours, texts).result(),
                theirs.submit(embed_theirs, prefixed).result(),
            )
            for _ in range(num_rounds)
        ]
    (_, our_vectors), (_, their_vectors) = pairs[0]
    return {
        "embed_texts_s": len(texts) / median(mine for (mine, _), _ in pairs),
        "embed_texts_s_sentence_transformers": len(texts) / median(t for _, (t, _) in pairs),
        "ratio_embed_vs_sentence_transformers": median(t / o for (o, _), (t, _) in pairs),
        "embed_least_cosine": float(np.sum(our_vectors * their_vectors, axis=1).min()),
    }


def compare_end_to_end(folder: Path, settings: Settings, *, num_rounds: int) -> dict[str, float]:
    """Documents a minute of the whole command, and of the script, by turns."""
    models = ModelStore(settings.models_dir)
    files = list(folder.iterdir())
    num_bytes = sum(path.stat().st_size for path in files)
    pairs = []
    for _ in range(num_rounds):
        with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as theirs:
            environment = {"CIMIENTO_DATA_DIR": ours, "CIMIENTO_MODELS__DIR": str(models.root)}
            mine = run(["-m", "app.cli", "add", str(folder), "--json"], environment)
            model = models.get(settings.models.embedding)
            script = ["-m", "benchmarks.ingestion_script", str(folder), theirs, str(model)]
            pairs.append((mine, run(script, {})))
        states = [item["state"] for item in mine.output]
        if states != ["searchable"] * len(files):
            raise RuntimeError(f"not every file became searchable: {sorted(set(states))}")
    seconds = median(mine.seconds for mine, _ in pairs)
    return {
        "documents": len(files),
        "docs_per_min": 60 * len(files) / seconds,
        "mb_per_s": num_bytes / 1e6 / seconds,
        "peak_rss_bytes": max(mine.peak_rss_bytes for mine, _ in pairs),
        "docs_per_min_script": 60 * len(files) / median(other.seconds for _, other in pairs),
        "peak_rss_bytes_script": max(other.peak_rss_bytes for _, other in pairs),
        "ratio_end_to_end_vs_script": median(o.seconds / m.seconds for m, o in pairs),
    }


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Run a module of ours to its end. The memory is that of its largest process."""
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments],
        env={"PYTHONPATH": str(_ROOT), "PATH": "/usr/bin:/bin", **environment},
        cwd=_ROOT,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with status {process.returncode}")
    return Ended(seconds, usage.ru_maxrss * 1024, json.loads(output))


def choose_files(data: Path | None, plan: Plan) -> list[Path]:
    """Articles in the order of a fixed seed."""
    folder = data / "squad_en" / "articles" if data else _ROOT / "docs"
    paths = sorted(folder.rglob("*.txt" if data else "*.md"))
    random.Random(_SEED).shuffle(paths)  # noqa: S311 - a sample, no secret
    return paths[: plan.num_articles]


def cut(files: Sequence[Path], num_texts: int) -> list[str]:
    texts: list[str] = []
    for path in files:
        text = path.read_text(encoding="utf-8")
        texts += [text[at : at + _CHUNK_CHARS] for at in range(0, len(text), _CHUNK_CHARS)]
        if len(texts) >= num_texts:
            break
    return texts[:num_texts]


def measure(files: Sequence[Path], plan: Plan, settings: Settings) -> dict[str, float]:
    spec = get_spec(settings.models.embedding)
    traits = spec.embedding
    assert traits is not None
    embedding = EmbedderSpec(
        spec.name, traits.dimensions, traits.query_prefix, traits.passage_prefix
    )
    model = ModelStore(settings.models_dir).get(spec.name)
    texts = cut(files, plan.num_texts)
    figures = compare_embedding(texts, model, embedding, num_rounds=plan.num_rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, path in enumerate(files):
            shutil.copy(path, folder / f"{number:04d}-{path.stem}.txt")
        # one round: what is measured takes minutes, and each side starts anew in it
        return figures | compare_end_to_end(folder, settings, num_rounds=1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingestion")
    parser.add_argument("--quick", action="store_true", help="three documents: does it run at all")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--data", type=Path, help="folder with squad_en/")
    parser.add_argument("--articles", type=int, help="how many documents; all by default")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    if options.articles:
        plan = Plan(options.articles, plan.num_texts, plan.num_rounds)
    settings = load_settings()
    files = choose_files(options.data, plan)
    figures = measure(files, plan, settings)
    manifest = build_manifest(
        "ingestion",
        {
            "model": settings.models.embedding,
            "texts": plan.num_texts,
            "documents": "squad_en" if options.data else "own pages",
        },
    )
    report(figures, manifest, json_path=options.json)


if __name__ == "__main__":
    main()
