"""A cross-encoder of random weights on disk: its scores, and the folders that are refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from retrieval import cross_encoder
from retrieval.cross_encoder import CrossEncoder
from retrieval.reranking import RerankerUnusableError

WORDS = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", *(f"w{number}" for number in range(40)))
QUESTION = "w1 w2 w3"
TEXTS = ["w4", "w5 w6 w7 w8 w9 w10 w11", "w12 w13", "w3 w2 w1"]


def write_folder(folder: Path, model: PreTrainedModel) -> Path:
    """The model and its tokenizer, as they are published."""
    model.save_pretrained(folder)
    tokenizer = Tokenizer(
        WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    published: Any = PreTrainedTokenizerFast  # its constructor has no types
    published(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(folder)
    return folder


def config(num_labels: int = 1) -> BertConfig:
    """The smallest that can be."""
    return BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
        initializer_range=0.5,
        id2label={number: str(number) for number in range(num_labels)},
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(3)
    # so that nothing depends on the processor
    monkeypatch.setattr(cross_encoder, "default_dtype", lambda: torch.float32)
    return write_folder(tmp_path / "encoder", BertForSequenceClassification(config()))


def test_scored_together_equals_scored_alone(folder: Path) -> None:
    encoder = CrossEncoder(folder, num_threads=1)

    together = encoder.score(QUESTION, TEXTS)

    alone = [encoder.score(QUESTION, [text])[0] for text in TEXTS]
    assert together == pytest.approx(alone, abs=1e-5)
    assert len({round(score, 4) for score in together}) == len(TEXTS)


def test_many_threads_score_as_one_does(folder: Path) -> None:
    encoder = CrossEncoder(folder, num_threads=1)
    alone = encoder.score(QUESTION, TEXTS)

    with ThreadPoolExecutor(8) as threads:
        scored = list(threads.map(lambda _: encoder.score(QUESTION, TEXTS), range(24)))

    assert scored == [alone] * 24


def test_a_text_longer_than_the_model_reads_is_cut(folder: Path) -> None:
    long = " ".join(["w7"] * 100)

    assert len(CrossEncoder(folder).score(QUESTION, [long])) == 1


def test_no_texts_have_no_scores(folder: Path) -> None:
    assert CrossEncoder(folder).score(QUESTION, []) == []


def test_a_model_without_a_head_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, BertModel(config()))

    with pytest.raises(RerankerUnusableError, match="no cross-encoder"):
        CrossEncoder(folder).load()


def test_a_classifier_of_several_classes_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, BertForSequenceClassification(config(num_labels=3)))

    with pytest.raises(RerankerUnusableError, match="3 numbers"):
        CrossEncoder(folder).load()


def test_code_beside_the_weights_is_not_run(folder: Path) -> None:
    (folder / "modelling.py").write_text("raise AssertionError('it ran')", encoding="utf-8")
    fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    fields |= {
        "model_type": "never-heard-of",
        "auto_map": {
            "AutoConfig": "modelling.Config",
            "AutoModelForSequenceClassification": "modelling.Model",
        },
    }
    (folder / "config.json").write_text(json.dumps(fields), encoding="utf-8")

    with pytest.raises(RerankerUnusableError):
        CrossEncoder(folder).load()


def test_weights_that_can_hold_code_are_not_opened(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(RerankerUnusableError):
        CrossEncoder(folder).load()
