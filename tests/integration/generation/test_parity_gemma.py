"""Gemma 3 on its real weights equals transformers, beyond the length of its window."""

from pathlib import Path

import platformdirs
import pytest
import torch

from generation.chat_template import ChatTemplateError
from generation.engine.attention import PackedContext
from generation.local_model import LoadedModel, load_model
from generation.types import Message
from tests.integration.generation.gemma import (
    GemmaUnavailableError,
    build_gemma_reference,
    fetch_gemma,
)
from tests.integration.generation.prompts import PASSAGE

pytestmark = pytest.mark.weights
NUM_COMPARED = 40


@pytest.fixture(scope="module")
def path() -> Path:
    try:
        return fetch_gemma(platformdirs.user_cache_path("cimiento-tests") / "gemma-3-270m")
    except GemmaUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def gemma(path: Path) -> LoadedModel:
    return load_model(path, precision="float32")


@torch.inference_mode()
def test_logits_equal_transformers_past_the_window(gemma: LoadedModel, path: Path) -> None:
    ids = [*gemma.tokenizer.opening_ids, *gemma.tokenizer.encode(PASSAGE * 4)][:640]
    hidden = gemma.model(torch.tensor(ids), torch.arange(640), PackedContext([640]))
    logits = gemma.model.logits(hidden[-NUM_COMPARED:])

    reference = build_gemma_reference(path)
    theirs = reference(torch.tensor([ids]), logits_to_keep=NUM_COMPARED).logits[0]
    assert (logits - theirs).abs().max() < 2e-3
    assert torch.equal(logits.argmax(-1), theirs.argmax(-1))


# ids of llama.cpp (llama-cpp-python 0.3.36), which reads the same file in code of its own
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello world", [9259, 1902]),
        ("  hello\n\n\nthe   end", [138, 23391, 109, 1437, 139, 643]),
        (
            "<start_of_turn>user <0x0A> <unused5>",
            [236820, 3041, 236779, 1340, 236779, 887, 236813, 2364, 655, 236771, 236781, 236771,
             236776, 236813, 655, 63634, 236810, 236813],
        ),
        (
            "¿El año 2024? Camión, niñez; 日本語 👩‍👩‍👧",
            [237665, 4976, 16088, 236743, 236778, 236771, 236778, 236812, 236881, 7455, 1517,
             236764, 4962, 92126, 236793, 33375, 238582, 236743, 243767, 237243, 243767, 237243,
             244814],
        ),
        (
            "don't they'll\r\n\tx = 3.14",
            [13246, 236789, 236745, 901, 236789, 859, 251, 107, 255968, 236781, 578, 236743,
             236800, 236761, 236770, 236812],
        ),
    ],
)  # fmt: skip
def test_text_encodes_as_in_llama_cpp(gemma: LoadedModel, text: str, expected: list[int]) -> None:
    assert gemma.tokenizer.encode(text) == expected


def test_a_base_model_opens_its_text_and_has_no_chat_template(gemma: LoadedModel) -> None:
    assert gemma.tokenizer.opening_ids == (2,)
    assert gemma.tokenizer.stop_ids == {1, 106}
    with pytest.raises(ChatTemplateError, match="no chat template"):
        gemma.tokenizer.render_chat([Message("user", "hello")])
