"""Every document of a folder is kept or counted."""

from pathlib import Path

import pytest

from generation.training.corpus import CorpusCounts, iterate_texts
from generation.training.errors import DataError
from tests.unit.generation.training.texts import write_corpus, write_text


def test_every_document_is_kept_or_counted_with_its_reason(tmp_path: Path) -> None:
    write_corpus(tmp_path, num_documents=5)
    (tmp_path / "again.txt").write_text(write_text(seed=0).upper())
    (tmp_path / "near.txt").write_text(write_text(seed=1) + "Yes.")
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "binary.txt").write_bytes(b"\0" * 999)
    counts = CorpusCounts()
    texts = list(iterate_texts(tmp_path, counts))

    assert len(texts) == counts.num_kept == 5
    assert (counts.num_exact_duplicates, counts.num_near_duplicates) == (1, 1)
    assert counts.rejected == {"too short": 1}
    assert counts.skips.counts == {"binary file": 1}
    assert counts.num_read == 5 + 1 + 1 + 1
    assert counts.lines()[0].startswith("8 files gave 8 documents")
    assert "not read: binary file: 1 (first: binary.txt)" in counts.lines()


def test_the_order_of_texts_is_that_of_file_names(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    assert list(iterate_texts(tmp_path, CorpusCounts())) == list(
        iterate_texts(tmp_path, CorpusCounts())
    )


def test_a_folder_with_nothing_worth_learning_says_what_became_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "b.txt").write_bytes(b"\0")
    (tmp_path / "c.txt").write_text("tiny")
    with pytest.raises(DataError, match=r"nothing to learn from: .*too short 1.*binary file: 1"):
        list(iterate_texts(tmp_path, CorpusCounts()))
