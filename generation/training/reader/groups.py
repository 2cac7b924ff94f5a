"""Encoded examples, those over the same passages together, in one file. Knows no text.

A group is a stretch of tokens that its questions share, and a branch for each question: the rest of
its prompt, then the reply. On disk a group is never half there: the manifest is written last.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from core.durable import replace_file, replace_text
from generation.training.errors import DataError

_FORMAT: Final = 2
_LEARNT, _JUDGED, _PLAIN = "learnt", "judged", "plain"

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Branch:
    """What follows the shared tokens: the end of a prompt, then `num_reply` tokens of reply."""

    ids: Tokens
    num_reply: int
    is_refusal: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Questions over the same passages."""

    shared: Tokens
    branches: tuple[Branch, ...]

    @property
    def num_tokens(self) -> int:
        """Tokens that the model reads: the last of a reply is only foretold."""
        return len(self.shared) + sum(len(branch.ids) - 1 for branch in self.branches)

    @property
    def num_targets(self) -> int:
        return sum(branch.num_reply for branch in self.branches)


@dataclass(frozen=True, slots=True)
class Facts:
    """What encoded examples depend on, and what the cards tell of them."""

    prompt: str  # name@version
    prompt_sha256: str
    tokenizer_sha256: str
    window: int
    notes: list[str]
    origins: list[tuple[str, str, int]]  # name, licence, examples
    num_alone: int  # tokens that the same examples would take one by one


@dataclass(frozen=True, slots=True)
class Encoded:
    """Everything that a run learns from and is judged by."""

    learnt: list[Group]
    judged: list[Group]
    facts: Facts
    plain: list[Tokens] = field(default_factory=list)  # pieces of text to rehearse


def save_encoded(folder: Path, encoded: Encoded) -> None:
    """Replace what is in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    for name, groups in ((_LEARNT, encoded.learnt), (_JUDGED, encoded.judged)):
        arrays = _flatten(groups)
        replace_file(folder / f"{name}.npz", partial(_write_arrays, arrays))
    pieces = {str(number): piece for number, piece in enumerate(encoded.plain)}
    replace_file(folder / f"{_PLAIN}.npz", partial(_write_arrays, pieces))
    manifest = {"format": _FORMAT} | asdict(encoded.facts)
    replace_text(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")


def has_encoded(folder: Path) -> bool:
    """Whether an earlier run encoded everything."""
    return (folder / "manifest.json").exists()


def load_encoded(folder: Path) -> Encoded:
    """What `save_encoded` wrote. Raises DataError where it is damaged."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
        if manifest.pop("format") != _FORMAT:
            raise DataError(f"{folder} is of another version; remove it to make it again")
        manifest["origins"] = [tuple(item) for item in manifest["origins"]]
        learnt, judged = (_load_groups(folder / f"{name}.npz") for name in (_LEARNT, _JUDGED))
        plain = _load_pieces(folder / f"{_PLAIN}.npz")
        return Encoded(learnt, judged, Facts(**manifest), plain)
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise DataError(f"{folder} is damaged ({error}); remove it to make it again") from error


def _flatten(groups: Sequence[Group]) -> dict[str, NDArray[Any]]:
    branches = [branch for group in groups for branch in group.branches]
    pieces = [part for g in groups for part in (g.shared, *(b.ids for b in g.branches))]
    return {
        "ids": np.concatenate(pieces),
        "shared": np.array([len(group.shared) for group in groups], np.int64),
        "branches": np.array([len(group.branches) for group in groups], np.int64),
        "sizes": np.array([len(branch.ids) for branch in branches], np.int64),
        "replies": np.array([branch.num_reply for branch in branches], np.int64),
        "refusals": np.array([branch.is_refusal for branch in branches], np.bool_),
    }


def _write_arrays(arrays: Mapping[str, NDArray[Any]], stream: BinaryIO) -> None:
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # its stub has a flag there


def _load_pieces(path: Path) -> list[Tokens]:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return [arrays[str(number)].astype(np.int32) for number in range(len(arrays.files))]


def _load_groups(path: Path) -> list[Group]:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        ids = arrays["ids"].astype(np.int32)
        rows = zip(
            *(arrays[name].tolist() for name in ("sizes", "replies", "refusals")), strict=True
        )
        heads = zip(arrays["shared"].tolist(), arrays["branches"].tolist(), strict=True)
        groups, start = [], 0
        for num_shared, num_branches in heads:
            shared = ids[start : start + num_shared]
            start += num_shared
            branches = []
            for _ in range(num_branches):
                size, num_reply, is_refusal = next(rows)
                branches.append(Branch(ids[start : start + size], num_reply, is_refusal))
                start += size
            groups.append(Group(shared, tuple(branches)))
    if start != len(ids):
        raise ValueError(f"{path.name} has {len(ids)} tokens, its sizes say {start}")
    return groups
