"""Labelled texts to one vector each, once: a resumed run goes on from the file. Learns nothing."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from core.classifier import Floats, pool
from core.durable import replace_file, replace_text
from core.embedding import Embedder
from core.tokens import Tokens
from generation.training.classifier.examples import (
    LabelCounts,
    Labelled,
    read_labelled,
    split_labelled,
)
from generation.training.classifier.options import ClassifierOptions
from generation.training.errors import DataError
from generation.training.messages import Report

_FORMAT: Final = 1
# as documents are cut by default when they come in: their vectors are those of such pieces
PIECE_TOKENS: Final = 128
MAX_PIECES: Final = 256  # of a text: what is further down says the same of its kind


@dataclass(frozen=True, slots=True)
class VectorFacts:
    """What the vectors depend on, and what the card tells of them."""

    embedding_model: str
    labels: list[str]
    notes: list[str]
    origins: list[tuple[str, str, int]]  # name, licence, texts


@dataclass(frozen=True, slots=True)
class LabelledVectors:
    """Vectors (N, D) of unit length, the label of each by its number, and who is judged by."""

    vectors: Floats
    targets: NDArray[np.int64]
    is_judged: NDArray[np.bool_]
    facts: VectorFacts


def find_or_embed(
    options: ClassifierOptions, embedder: Embedder, folder: Path, report: Report
) -> LabelledVectors:
    """What an earlier run embedded, or the texts embedded now. Raises DataError."""
    if (folder / "manifest.json").exists():
        found = _load(folder)
        if found.facts.embedding_model != embedder.model:
            raise DataError(
                f"{folder} was embedded by {found.facts.embedding_model}, and the embedding model "
                f"is {embedder.model}; remove the folder"
            )
    else:
        found = _embed_file(options, embedder, report)
        _save(folder, found)
    for note in found.facts.notes:
        report(note)
    return found


def _embed_file(options: ClassifierOptions, embedder: Embedder, report: Report) -> LabelledVectors:
    counts = LabelCounts()
    examples = read_labelled(options.examples, counts)
    learnt, judged = split_labelled(examples, held_out_share=options.held_out, seed=options.seed)
    labels = sorted(counts.labels)
    report(f"embedding {len(examples):,} texts with {embedder.model}")
    vectors = embed_labelled(examples, embedder, subject=options.subject)
    if not np.isfinite(vectors).all():
        raise DataError(f"{embedder.model} gave vectors that are no numbers; pull the model again")
    is_judged = np.zeros(len(examples), np.bool_)
    is_judged[judged] = True
    notes = [
        *counts.lines(),
        f"{len(judged):,} are only judged by; {len(learnt):,} are learnt from",
    ]
    origins = [(*of, number) for of, number in sorted(counts.origins.items())]
    facts = VectorFacts(embedder.model, labels, notes, origins)
    targets = np.array([labels.index(example.label) for example in examples], np.int64)
    return LabelledVectors(vectors, targets, is_judged, facts)


def embed_labelled(examples: Sequence[Labelled], embedder: Embedder, *, subject: str) -> Floats:
    """One vector a text, (N, D): a question's own, or the mean of a document's pieces."""
    if subject == "questions":
        return embedder.embed_queries([example.text for example in examples])
    pooled = []
    for example in examples:
        pieces = list(_cut(example, embedder.tokens))
        pooled.append(pool(embedder.embed_passages(pieces)))
    return np.stack(pooled)


def _cut(example: Labelled, tokens: Tokens) -> Iterator[str]:
    """Pieces of a text, each below its name, as chunks are embedded."""
    starts = tokens.starts(example.text)
    for number in range(0, min(len(starts), MAX_PIECES * PIECE_TOKENS) or 1, PIECE_TOKENS):
        begin = int(starts[number]) if number else 0
        after = number + PIECE_TOKENS
        end = int(starts[after]) if after < len(starts) else len(example.text)
        yield "\n".join(filter(None, (example.name, example.text[begin:end].strip())))


def _save(folder: Path, found: LabelledVectors) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    def write(stream: BinaryIO) -> None:
        np.savez(stream, vectors=found.vectors, targets=found.targets, is_judged=found.is_judged)

    replace_file(folder / "vectors.npz", write)
    manifest = {"format": _FORMAT} | asdict(found.facts)
    replace_text(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")


def _load(folder: Path) -> LabelledVectors:
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
        if manifest.pop("format") != _FORMAT:
            raise DataError(f"{folder} is of another version; remove it to make it again")
        manifest["origins"] = [tuple(item) for item in manifest["origins"]]
        with np.load(folder / "vectors.npz", allow_pickle=False) as arrays:
            vectors, targets = arrays["vectors"], arrays["targets"]
            is_judged = arrays["is_judged"]
        return LabelledVectors(vectors, targets, is_judged, VectorFacts(**manifest))
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise DataError(f"{folder} is damaged ({error}); remove it to make it again") from error
