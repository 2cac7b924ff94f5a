"""A tiny BERT encoder of random weights on disk, and the plainest way to compute with it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from torch import Tensor

D, LAYERS, HEADS, POSITIONS, WIDE, EPS = 32, 2, 4, 24, 64, 1e-12
WORDS = ("<s>", "</s>", "<unk>", "passage:", "query:", *(f"w{number}" for number in range(60)))


def write_folder(folder: Path, *, max_tokens: int = 16, **config: object) -> dict[str, Tensor]:
    """Write the folder and return its weights; `config` overrides what config.json says."""
    (folder / "1_Pooling").mkdir(parents=True)
    weights = _random_weights()
    save_file(weights, folder / "model.safetensors")
    _write_json(folder / "config.json", _config() | config)
    _write_json(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens})
    _build_tokenizer().save(str(folder / "tokenizer.json"))
    return weights


def encode_plainly(weights: Mapping[str, Tensor], ids: Sequence[int]) -> Tensor:
    """One sequence -> (D,) unit vector, in float64, after the definition."""
    w = {name: value.double() for name, value in weights.items()}

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + EPS).sqrt()
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][list(ids)]
    x = x + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        heads = []
        q, k, v = (linear(x, f"{layer}.attention.self.{n}") for n in ("query", "key", "value"))
        for part in torch.arange(D).chunk(HEADS):
            scores = q[:, part] @ k[:, part].T / (D // HEADS) ** 0.5
            heads.append(scores.softmax(-1) @ v[:, part])
        mixed = linear(torch.cat(heads, -1), f"{layer}.attention.output.dense")
        x = norm(x + mixed, f"{layer}.attention.output.LayerNorm")
        wide = F.gelu(linear(x, f"{layer}.intermediate.dense"))
        x = norm(x + linear(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return F.normalize(x.mean(0), dim=0)


def _config() -> dict[str, object]:
    return {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": D,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": POSITIONS,
        "layer_norm_eps": EPS,
    }


def _random_weights() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(7)

    def draw(*shape: int, scale: float = 0.3) -> Tensor:
        return scale * torch.randn(*shape, generator=random)

    weights = {
        "embeddings.word_embeddings.weight": draw(len(WORDS), D, scale=1.0).half(),
        "embeddings.position_embeddings.weight": draw(POSITIONS, D),
        "embeddings.token_type_embeddings.weight": draw(2, D),
    }
    norms = ["embeddings.LayerNorm"]
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        shapes = {f"attention.self.{name}": (D, D) for name in ("query", "key", "value")} | {
            "attention.output.dense": (D, D),
            "intermediate.dense": (WIDE, D),
            "output.dense": (D, WIDE),
        }
        for name, shape in shapes.items():
            weights[f"{layer}.{name}.weight"] = draw(*shape).half()
            weights[f"{layer}.{name}.bias"] = draw(shape[0])
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name in norms:
        weights[f"{name}.weight"] = 1 + draw(D)
        weights[f"{name}.bias"] = draw(D)
    return weights


def _build_tokenizer() -> Tokenizer:
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B:1 </s>:1",
        special_tokens=[("<s>", 0), ("</s>", 1)],
    )
    # some published tokenizers bring padding and truncation of their own
    tokenizer.enable_padding(length=20)
    tokenizer.enable_truncation(5)
    return tokenizer


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
