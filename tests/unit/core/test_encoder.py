"""The packed encoder gives what the plainest one gives, whatever it is computed with."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from core.encoder import load_encoder
from core.errors import EncoderUnsupportedError
from tests.unit.core.encoder_folder import encode_plainly, write_folder

SEQUENCES = [[0, 9, 10, 11, 12, 1], [0, 20, 21, 22, 23, 1], [0, 5, 1], [0, 30, 31, 1], [0, 8, 1]]


def test_packed_vectors_are_those_of_the_definition(tmp_path: Path) -> None:
    weights = write_folder(tmp_path / "model")
    vectors = load_encoder(tmp_path / "model", dtype=torch.float32).encode(SEQUENCES)
    expected = torch.stack([encode_plainly(weights, ids) for ids in SEQUENCES])
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors, expected.float(), atol=1e-5, rtol=0)


def test_a_vector_is_the_mean_of_what_is_said_of_its_tokens(tmp_path: Path) -> None:
    write_folder(tmp_path / "model")
    encoder = load_encoder(tmp_path / "model", dtype=torch.float32)
    states = encoder.read(SEQUENCES)
    assert [len(each) for each in states] == [len(ids) for ids in SEQUENCES]
    means = torch.stack([F.normalize(each.mean(dim=0), dim=0) for each in states])
    torch.testing.assert_close(means, encoder.encode(SEQUENCES), atol=1e-6, rtol=0)


def test_a_vector_does_not_depend_on_its_company(tmp_path: Path) -> None:
    write_folder(tmp_path / "model")
    encoder = load_encoder(tmp_path / "model", dtype=torch.float32)
    together = encoder.encode(SEQUENCES)
    alone = torch.cat([encoder.encode([ids]) for ids in SEQUENCES])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


def test_this_machines_number_format_stays_near_float32(tmp_path: Path) -> None:
    write_folder(tmp_path / "model")
    exact = load_encoder(tmp_path / "model", dtype=torch.float32).encode(SEQUENCES)
    taken = load_encoder(tmp_path / "model").encode(SEQUENCES)
    assert (1 - F.cosine_similarity(exact, taken)).max() < 1e-3


def test_the_longest_sequence_fills_every_position(tmp_path: Path) -> None:
    weights = write_folder(tmp_path / "model")
    ids = [0, *range(5, 27), 1]
    vector = load_encoder(tmp_path / "model", dtype=torch.float32).encode([ids])[0]
    torch.testing.assert_close(vector, encode_plainly(weights, ids).float(), atol=1e-5, rtol=0)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "model", hidden_act="relu")
    with pytest.raises(EncoderUnsupportedError, match="relu"):
        load_encoder(tmp_path / "model")
