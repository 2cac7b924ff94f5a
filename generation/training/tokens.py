"""Encoded documents on disk: one file of token ids, and where each document ends.

The ids are mapped, not read: a corpus may be larger than memory. manifest.json is written last; a
folder without it is unfinished and is made again.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from core.durable import replace_file, replace_text
from generation.training.errors import DataError
from generation.training.vocabulary import get_boundary

_TEXTS_AT_ONCE: Final = 64

Ids = NDArray[np.uint16] | NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class TokenStore:
    """Documents one after the other: document i is ids[ends[i - 1] : ends[i]].

    Every document begins and ends with the end-of-text token: the first lets the model begin from
    nothing, the last lets it stop.
    """

    ids: Ids
    ends: NDArray[np.int64]  # (documents,)
    num_bytes: NDArray[np.int64]  # (documents,) of UTF-8 text
    notes: list[str]  # what became of the folder

    @property
    def num_documents(self) -> int:
        return len(self.ends)

    def starts(self) -> NDArray[np.int64]:
        return np.concatenate((np.zeros(1, np.int64), self.ends[:-1]))


def write_tokens(texts: Iterable[str], tokenizer: Tokenizer, folder: Path) -> None:
    """Encode texts as they come and write all but the manifest, for `finish_tokens`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    ends: list[int] = []
    num_bytes: list[int] = []
    kind = _id_type(tokenizer.get_vocab_size())
    with (folder / "ids.bin").open("wb") as stream:
        for ids, size in _encode(texts, tokenizer):
            stream.write(np.asarray(ids, dtype=kind).tobytes())
            ends.append(len(ids) + (ends[-1] if ends else 0))
            num_bytes.append(size)
        stream.flush()
        os.fsync(stream.fileno())
    documents = np.array([ends, num_bytes], dtype=np.int64)
    replace_file(folder / "documents.npy", lambda stream: np.save(stream, documents))


def finish_tokens(folder: Path, tokenizer: Tokenizer, notes: list[str]) -> None:
    manifest = {
        "notes": notes,
        "vocab_size": tokenizer.get_vocab_size(),
        "tokenizer_sha256": hash_tokenizer(tokenizer),
    }
    replace_text(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")


def has_tokens(folder: Path) -> bool:
    """Whether an earlier run encoded everything."""
    return (folder / "manifest.json").exists()


def load_tokens(folder: Path, tokenizer: Tokenizer) -> TokenStore:
    """Map what was encoded.

    Raises DataError when another tokenizer wrote it or a file has changed.
    """
    path = folder / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        ends, num_bytes = np.load(folder / "documents.npy", allow_pickle=False)
        kind = _id_type(manifest["vocab_size"])
        ids: Ids = np.memmap(folder / "ids.bin", dtype=kind, mode="r")
        notes = list(manifest["notes"])
        is_same = manifest["tokenizer_sha256"] == hash_tokenizer(tokenizer)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder} is damaged ({error}); remove it to make it again") from error
    if not is_same:
        raise DataError(
            f"{folder} was encoded with another tokenizer than --tokenizer names; "
            "give that one, or remove the folder"
        )
    if not len(ends) or ends[-1] != len(ids):
        raise DataError(f"{folder} is damaged (lengths differ); remove it to make it again")
    return TokenStore(ids, ends, num_bytes, notes)


def hash_tokenizer(tokenizer: Tokenizer) -> str:
    return hashlib.sha256(tokenizer.to_str().encode("utf-8")).hexdigest()


def _encode(texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[tuple[list[int], int]]:
    boundary = get_boundary(tokenizer)
    remaining = iter(texts)
    while batch := list(islice(remaining, _TEXTS_AT_ONCE)):
        encoded = tokenizer.encode_batch(batch, add_special_tokens=False)
        for text, encoding in zip(batch, encoded, strict=True):
            yield [boundary, *encoding.ids, boundary], len(text.encode("utf-8"))


def _id_type(vocab_size: int) -> type[np.uint16] | type[np.uint32]:
    return np.uint16 if vocab_size <= 1 << 16 else np.uint32
