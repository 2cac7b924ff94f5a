"""Texts to vectors: in the order of the texts, cut where the model ends, on chosen threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from core.compute_thread import ComputeThread
from core.embedding import EmbedderSpec
from core.errors import EncoderUnsupportedError
from core.local_embedder import LocalEmbedder
from tests.unit.core.encoder_folder import WORDS, D, encode_plainly, write_folder

SPEC = EmbedderSpec("tiny", D, query_prefix="query: ", passage_prefix="passage: ")


def test_every_text_gets_its_own_vector_whatever_their_lengths(tmp_path: Path) -> None:
    weights = write_folder(tmp_path / "model")
    texts = [" ".join(f"w{(row + at) % 60}" for at in range(1 + row % 9)) for row in range(200)]
    vectors = LocalEmbedder(tmp_path / "model", SPEC).embed_passages(texts)
    ids = [[0, *map(WORDS.index, ("passage:", *text.split())), 1] for text in texts]
    expected = np.stack([encode_plainly(weights, one).numpy() for one in ids])
    assert vectors.dtype == np.float32
    assert np.sum(vectors * expected, axis=1).min() > 1 - 1e-3


def test_a_long_text_is_cut_at_the_limit_of_the_model(tmp_path: Path) -> None:
    write_folder(tmp_path / "model", max_tokens=8)
    embedder = LocalEmbedder(tmp_path / "model", SPEC)
    long, cut = embedder.embed_queries(["w1 w2 w3 w4 w5 " + "w6 " * 500, "w1 w2 w3 w4 w5"])
    assert long == pytest.approx(cut, abs=1e-5)


def test_nothing_is_embedded_without_loading_the_model(tmp_path: Path) -> None:
    vectors = LocalEmbedder(tmp_path / "absent", SPEC).embed_passages([])
    assert vectors.shape == (0, D)


def test_a_folder_of_other_dimensions_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "model")
    wrong = EmbedderSpec("tiny", D + 1, query_prefix="", passage_prefix="")
    with pytest.raises(EncoderUnsupportedError, match="32 dimensions"):
        LocalEmbedder(tmp_path / "model", wrong).load()


def test_callers_from_many_threads_get_their_own_vectors(tmp_path: Path) -> None:
    write_folder(tmp_path / "model")
    embedder = LocalEmbedder(tmp_path / "model", SPEC, num_threads=1)
    texts = [[f"w{row}", f"w{row} w{row + 1}"] for row in range(40)]
    alone = [embedder.embed_passages(pair) for pair in texts]
    with ThreadPoolExecutor(8) as callers:
        together = list(callers.map(embedder.embed_passages, texts))
    assert np.allclose(together, alone, atol=1e-6)


def test_the_threads_of_one_computation_leave_those_of_others_alone() -> None:
    usual = torch.get_num_threads()
    thread = ComputeThread("narrow", num_threads=1)
    seen: list[int] = []
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert thread.run(torch.get_num_threads) == 1
    assert seen == [usual]
    assert torch.get_num_threads() == usual


def test_what_fails_on_the_thread_fails_for_its_caller_only() -> None:
    thread = ComputeThread("failing", num_threads=1)
    with pytest.raises(ZeroDivisionError):
        thread.run(lambda: 1 // 0)
    assert thread.run(lambda: 7) == 7
