"""Encoded examples come back from disk as they were, or not at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from generation.training.errors import DataError
from generation.training.reader.groups import Encoded, Facts, Group, load_encoded, save_encoded
from tests.unit.generation.training.reader.making import make_group

FACTS = Facts("direct@1", "a" * 64, "b" * 64, 512, ["a note"], [("houses", "CC0", 3)], 99)


def as_lists(groups: list[Group]) -> list[object]:
    return [
        (g.shared.tolist(), [(b.ids.tolist(), b.num_reply, b.is_refusal) for b in g.branches])
        for g in groups
    ]


def save(folder: Path) -> Encoded:
    learnt = [make_group([1, 2], ([3, 4, 5], 2), ([6, 7], 1)), make_group([], ([8, 9], 1))]
    judged = [make_group([9], ([70_000, 1], 1))]
    encoded = Encoded(learnt, judged, FACTS)
    save_encoded(folder, encoded)
    return encoded


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved, loaded = save(tmp_path), load_encoded(tmp_path)
    assert loaded.facts == saved.facts
    assert as_lists(loaded.learnt) == as_lists(saved.learnt)
    assert as_lists(loaded.judged) == as_lists(saved.judged)
    assert loaded.learnt[0].num_tokens == 2 + 2 + 1
    assert loaded.learnt[0].num_targets == 3


@pytest.mark.parametrize("name", ["learnt.npz", "judged.npz", "manifest.json"])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    save(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"is damaged .* remove it"):
        load_encoded(tmp_path)


def test_sizes_that_do_not_agree_are_refused(tmp_path: Path) -> None:
    encoded = save(tmp_path)
    group = encoded.learnt[0]
    save_encoded(tmp_path, replace(encoded, learnt=[group]))
    with np.load(tmp_path / "learnt.npz") as arrays:
        changed = dict(arrays) | {"shared": arrays["shared"] - 1}
    np.savez(tmp_path / "learnt.npz", **changed)
    with pytest.raises(DataError, match="its sizes say"):
        load_encoded(tmp_path)
