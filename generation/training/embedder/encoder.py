"""A BERT encoder that learns: texts in, one unit vector each out. Reads and writes its folder."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from tokenizers import Tokenizer
from torch import Tensor, nn

from core.durable import replace_file
from core.encoder import EncoderConfig
from core.tuned_embedding import TUNED

# tables of the vocabulary: most of the weights, of which few texts touch a few rows
_FROZEN: Final = "embeddings."
_OF_THE_BASE: Final = ("manifest.json", TUNED)


@dataclass(frozen=True, slots=True)
class Texts:
    """Token ids of B texts of at most T tokens, and where they are: (B, T) each."""

    tokens: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> "Texts":
        return Texts(self.tokens.to(device), self.mask.to(device))


class EncoderModel(nn.Module):
    """The same as `core.encoder`, with gradients. Weights keep their Hugging Face names."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.config = EncoderConfig.load(folder)
        loaded = load_file(folder / "model.safetensors")
        self._names = tuple(loaded)
        self.weights = nn.ParameterDict(
            {
                _key(name): nn.Parameter(weight.float(), requires_grad=not name.startswith(_FROZEN))
                for name, weight in loaded.items()
            }
        )

    def forward(self, texts: Texts) -> Tensor:
        """(B, T) -> (B, D), unit length."""
        mask = texts.mask
        shares = mask / mask.sum(dim=1, keepdim=True)  # (B, T)
        return F.normalize((self.states(texts).float() * shares[..., None]).sum(dim=1), dim=1)

    def states(self, texts: Texts) -> Tensor:
        """(B, T) -> (B, T, D): what the last layer says of every token."""
        tokens, mask = texts.tokens, texts.mask
        words = F.embedding(tokens, self._get("embeddings.word_embeddings.weight"))
        places = self._get("embeddings.position_embeddings.weight")[: tokens.shape[1]]
        kinds = self._get("embeddings.token_type_embeddings.weight")[0]
        x = self._norm(words + places + kinds, "embeddings.LayerNorm")  # (B, T, D)
        for number in range(self.config.num_layers):
            x = self._layer(x, mask, f"encoder.layer.{number}")
        return x

    def name_weights(self) -> dict[str, Tensor]:
        """All weights by the names that their file has."""
        return {
            name: self._get(name).detach().to("cpu", copy=True).contiguous() for name in self._names
        }

    def _layer(self, x: Tensor, mask: Tensor, name: str) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (
            self.multiply(x, f"{name}.attention.self.{part}")
            .view(batch, length, self.config.num_heads, -1)
            .transpose(1, 2)
            for part in ("query", "key", "value")
        )  # (B, heads, T, D / heads) each
        seen = mask[:, None, None, :].bool()  # padding is seen by nobody
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        x = self._norm(
            x + self.multiply(mixed, f"{name}.attention.output.dense"),
            f"{name}.attention.output.LayerNorm",
        )
        wide = F.gelu(self.multiply(x, f"{name}.intermediate.dense"))
        return self._norm(
            x + self.multiply(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm"
        )

    def multiply(self, x: Tensor, name: str) -> Tensor:
        """A product of the blocks, by the name that its weights have but for `.weight`."""
        return F.linear(x, self._get(f"{name}.weight"), self._get(f"{name}.bias"))

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._get(f"{name}.weight"), self._get(f"{name}.bias")
        return F.layer_norm(x, weight.shape, weight, bias, self.config.norm_eps)

    def _get(self, name: str) -> Tensor:
        weight: Tensor = self.weights[_key(name)]
        return weight


class TextTokenizer:
    """Texts to padded token ids, cut at `window` tokens or at what the model reads."""

    def __init__(self, folder: Path, *, window: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(window)

    def encode(self, texts: Sequence[str]) -> Texts:
        """(B, T), as long as the longest."""
        ids = [torch.tensor(each.ids) for each in self._tokenizer.encode_batch(list(texts))]
        mask = [torch.ones(len(each)) for each in ids]
        padded = (nn.utils.rnn.pad_sequence(each, batch_first=True) for each in (ids, mask))
        return Texts(*padded)


def write_folder(model: EncoderModel, base: Path, out: Path) -> None:
    """The model in the layout of its base, last its weights.

    Left out are the base's own manifest, and what it says of its own tuning where it was tuned.
    """
    for path in sorted(base.rglob("*")):
        place = path.relative_to(base)
        if path.is_file() and path.suffix == ".json" and place.name not in _OF_THE_BASE:
            (out / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out / place)
    content = save(model.name_weights(), metadata={"format": "pt"})
    replace_file(out / "model.safetensors", lambda stream: stream.write(content))


def _key(name: str) -> str:
    return name.replace(".", "/")  # a parameter's own name has no dots
