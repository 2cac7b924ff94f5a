"""What learns computes what is served, and its folder is one that the service loads."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.encoder import load_encoder
from core.local_embedder import LocalEmbedder
from generation.training.embedder.encoder import EncoderModel, TextTokenizer, write_folder
from tests.unit.core.encoder_folder import write_folder as write_base
from tests.unit.generation.training.embedder.making import SPEC

TEXTS = ["query: w1 w2 w3", "query: w4", "query: w5 w6 w7 w8 w9 w10 w11"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    write_base(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_it_gives_the_vectors_that_the_service_gives_however_texts_are_padded(base: Path) -> None:
    model, tokenizer = EncoderModel(base), TextTokenizer(base, window=16)
    encoded = tokenizer.encode(TEXTS)
    rows = zip(encoded.tokens, encoded.mask, strict=True)
    ids = [row[mask.bool()].tolist() for row, mask in rows]
    served = load_encoder(base, dtype=torch.float32).encode(ids)
    torch.testing.assert_close(model(encoded).detach(), served, atol=1e-5, rtol=1e-4)


def test_what_is_written_is_what_was_learnt(base: Path, tmp_path: Path) -> None:
    model, tokenizer = EncoderModel(base), TextTokenizer(base, window=16)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    out = tmp_path / "out"
    out.mkdir()
    write_folder(model, base, out)
    embedder = LocalEmbedder(out, SPEC, num_threads=1)
    vectors = embedder.embed_queries([text.removeprefix("query: ") for text in TEXTS])
    learnt = model(tokenizer.encode(TEXTS)).detach().numpy()
    np.testing.assert_allclose(vectors, learnt, atol=2e-2)  # products may be in bfloat16
    before = LocalEmbedder(base, SPEC, num_threads=1).embed_queries(["w1 w2 w3"])
    assert not np.allclose(vectors[0], before[0], atol=2e-2)


def test_the_tables_of_the_vocabulary_do_not_learn(base: Path) -> None:
    model = EncoderModel(base)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learning
    assert not any("embeddings" in name for name in learning)


def test_a_text_is_cut_at_the_window(base: Path) -> None:
    encoded = TextTokenizer(base, window=8).encode(["query: " + "w1 " * 20, "query: w2"])
    assert encoded.tokens.shape == (2, 8)
    assert encoded.mask.sum(dim=1).tolist() == [8.0, 4.0]
