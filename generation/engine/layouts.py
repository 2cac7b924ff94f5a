"""Where each of our parameters lies in a file, and how it becomes ours. Names and shapes only.

Our Q, K and V are one matrix, gate and up another; most files keep them apart. GGUF files of
Llama's family have Q and K rows in another order, GPT-2 checkpoints are transposed, and Gemma
checkpoints hold norms less one. Everything else is a name.
"""

import enum
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from torch import Tensor

from generation.engine.config import ModelConfig


class Change(enum.Enum):
    """What a tensor of a file needs before it is ours."""

    NONE = "none"
    HALVES_FROM_PAIRS = "halves from pairs"  # only the order of rows: quantised rows may move too
    TRANSPOSE = "transpose"
    ADD_ONE = "add one"


@dataclass(frozen=True, slots=True)
class FileTensor:
    name: str
    shape: tuple[int, ...]  # as in the file
    change: Change


# our parameter -> the tensors of the file that are its rows, one below the other
Recipe = Mapping[str, tuple[FileTensor, ...]]


@dataclass(frozen=True, slots=True)
class Layout:
    """How one kind of file calls things: ours to theirs, without ".weight" and ".bias".

    `{}` is the layer. ignored: tensors that may be there and are not weights of this model.
    """

    names: Mapping[str, str]
    changes: Mapping[str, Change] = field(default_factory=dict)  # by our name
    ignored: tuple[str, ...] = ()  # as regular expressions

    def build_recipe(self, config: ModelConfig) -> Recipe:
        recipe: dict[str, tuple[FileTensor, ...]] = {}
        for name, parts, has_bias in _list_parameters(config):
            layer = name.split(".")[1] if name.startswith("blocks.") else ""
            kinds = ("weight", "bias") if has_bias else ("weight",)
            for kind in kinds:
                recipe[f"{name}.{kind}"] = tuple(
                    self._find(part, shape, kind, layer) for part, shape in self._cut(parts).items()
                )
        return recipe

    def _cut(self, parts: "_Parts") -> "_Parts":
        """One tensor where this kind of file has the parts joined, as GPT-2's has Q, K and V."""
        joined = "+".join(parts)
        if len(parts) == 1 or joined not in self.names:
            return parts
        (width,) = {shape[1] for shape in parts.values()}
        return {joined: (sum(shape[0] for shape in parts.values()), width)}

    def _find(self, part: str, shape: tuple[int, ...], kind: str, layer: str) -> FileTensor:
        change = self.changes.get(part, Change.NONE)
        if kind == "bias":
            shape = shape[:1]
            change = change if change is Change.HALVES_FROM_PAIRS else Change.NONE
        stored = shape[::-1] if change is Change.TRANSPOSE else shape
        return FileTensor(f"{self.names[part].format(layer)}.{kind}", stored, change)


_Parts = Mapping[str, tuple[int, ...]]


def _list_parameters(config: ModelConfig) -> Iterator[tuple[str, _Parts, bool]]:
    """Our name, the parts it is made of with their shapes, and whether it has a bias."""
    table = (config.vocab_size, config.d_model)
    yield "embedding", {"embedding": table}, False
    if config.positions == "learned":
        shape = (config.max_positions, config.d_model)
        yield "position_embedding", {"position_embedding": shape}, False
    yield "norm", {"norm": (config.d_model,)}, config.norm == "layer"
    if not config.tie_embeddings:
        yield "head", {"head": table}, False
    for layer in range(config.num_layers):
        for name, parts, has_bias in _list_block(config):
            yield f"blocks.{layer}.{name}", parts, has_bias


def _list_block(config: ModelConfig) -> Iterator[tuple[str, _Parts, bool]]:
    width, d_ff, head_dim = config.d_model, config.d_ff, config.head_dim
    q, kv = (config.q_size, width), (config.kv_size, width)
    norms = ["attention_norm", "feed_forward_norm"]
    if config.sandwich_norms:
        norms += ["attention_out_norm", "feed_forward_out_norm"]
    for norm in norms:
        yield norm, {norm: (width,)}, config.norm == "layer"
    if config.qk_norm:
        yield "attention.q_norm", {"q_norm": (head_dim,)}, False
        yield "attention.k_norm", {"k_norm": (head_dim,)}, False
    yield "attention.qkv", {"q": q, "k": kv, "v": kv}, config.qkv_bias
    yield "attention.out", {"out": (width, config.q_size)}, config.out_bias
    if config.gated:
        gate_up = {"gate": (d_ff, width), "up": (d_ff, width)}
        yield "feed_forward.gate_up", gate_up, config.ff_bias
    else:
        yield "feed_forward.up", {"up": (d_ff, width)}, config.ff_bias
    yield "feed_forward.down", {"down": (width, d_ff)}, config.ff_bias


_GGUF_NAMES: Final = {
    "embedding": "token_embd",
    "position_embedding": "position_embd",
    "norm": "output_norm",
    "head": "output",
    "attention_norm": "blk.{}.attn_norm",
    "attention_out_norm": "blk.{}.post_attention_norm",
    "feed_forward_norm": "blk.{}.ffn_norm",
    "feed_forward_out_norm": "blk.{}.post_ffw_norm",
    "q": "blk.{}.attn_q",
    "k": "blk.{}.attn_k",
    "v": "blk.{}.attn_v",
    "q_norm": "blk.{}.attn_q_norm",
    "k_norm": "blk.{}.attn_k_norm",
    "out": "blk.{}.attn_output",
    "gate": "blk.{}.ffn_gate",
    "up": "blk.{}.ffn_up",
    "down": "blk.{}.ffn_down",
}
_GGUF_GPT2_NAMES: Final = _GGUF_NAMES | {"q+k+v": "blk.{}.attn_qkv"}
# read with the configuration
_GGUF_IGNORED: Final = (r"rope_freqs\.weight",)

_CHECKPOINT_NAMES: Final = {
    "embedding": "embed_tokens",
    "norm": "norm",
    "attention_norm": "layers.{}.input_layernorm",
    "feed_forward_norm": "layers.{}.post_attention_layernorm",
    "q": "layers.{}.self_attn.q_proj",
    "k": "layers.{}.self_attn.k_proj",
    "v": "layers.{}.self_attn.v_proj",
    "q_norm": "layers.{}.self_attn.q_norm",
    "k_norm": "layers.{}.self_attn.k_norm",
    "out": "layers.{}.self_attn.o_proj",
    "gate": "layers.{}.mlp.gate_proj",
    "up": "layers.{}.mlp.up_proj",
    "down": "layers.{}.mlp.down_proj",
}
_GEMMA_NAMES: Final = _CHECKPOINT_NAMES | {
    "attention_out_norm": "layers.{}.post_attention_layernorm",
    "feed_forward_norm": "layers.{}.pre_feedforward_layernorm",
    "feed_forward_out_norm": "layers.{}.post_feedforward_layernorm",
}
_GPT2_NAMES: Final = {
    "embedding": "wte",
    "position_embedding": "wpe",
    "norm": "ln_f",
    "attention_norm": "h.{}.ln_1",
    "feed_forward_norm": "h.{}.ln_2",
    "q+k+v": "h.{}.attn.c_attn",
    "out": "h.{}.attn.c_proj",
    "up": "h.{}.mlp.c_fc",
    "down": "h.{}.mlp.c_proj",
}
_GEMMA_NORMS: Final = (
    *("norm", "attention_norm", "attention_out_norm", "feed_forward_norm"),
    *("feed_forward_out_norm", "q_norm", "k_norm"),
)
# what a checkpoint may hold beside the weights: RoPE's frequencies, GPT-2's causal mask, a copy of
# the tied head
_CHECKPOINT_IGNORED: Final = (
    r".*\.rotary_emb\.inv_freq",
    r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias",
)


def select_gguf_layout(config: ModelConfig) -> Layout:
    if config.architecture == "gpt2":
        return Layout(_GGUF_GPT2_NAMES)
    if config.architecture in ("llama", "smollm3"):
        changes = dict.fromkeys(("q", "k"), Change.HALVES_FROM_PAIRS)
        return Layout(_GGUF_NAMES, changes, _GGUF_IGNORED)
    return Layout(_GGUF_NAMES, {}, _GGUF_IGNORED)


def select_checkpoint_layout(config: ModelConfig, names: Collection[str]) -> Layout:
    """`names` are those in the file: the same model is saved under several prefixes."""
    if config.architecture == "gpt2":
        changes = dict.fromkeys(("q+k+v", "out", "up", "down"), Change.TRANSPOSE)
        body = _find_prefix(names, "wte.weight", ("transformer.", ""))
        return _add_head(config, Layout(_prefixed(_GPT2_NAMES, body), changes), "lm_head")
    gemma = config.architecture == "gemma3"
    changes = dict.fromkeys(_GEMMA_NORMS, Change.ADD_ONE) if gemma else {}
    prefixes = ("model.", "model.language_model.", "language_model.model.", "")
    body = _find_prefix(names, "embed_tokens.weight", prefixes)
    layout = Layout(_prefixed(_GEMMA_NAMES if gemma else _CHECKPOINT_NAMES, body), changes)
    head = "language_model.lm_head" if body.startswith("language_model.") else "lm_head"
    return _add_head(config, layout, head)


def _find_prefix(names: Collection[str], anchor: str, prefixes: tuple[str, ...]) -> str:
    return next((prefix for prefix in prefixes if prefix + anchor in names), prefixes[0])


def _prefixed(names: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {ours: prefix + theirs for ours, theirs in names.items()}


def _add_head(config: ModelConfig, layout: Layout, head: str) -> Layout:
    ignored = [*_CHECKPOINT_IGNORED]
    if config.tie_embeddings:
        ignored.append(head.replace(".", r"\.") + r"\.weight")
    if config.architecture == "gemma3":  # the eyes of a model that also sees
        ignored.append(r"(model\.)?(vision_tower|multi_modal_projector)\..*")
    return Layout({**layout.names, "head": head}, layout.changes, tuple(ignored))


def apply_change(weight: Tensor, change: Change, *, head_dim: int) -> Tensor:
    if change is Change.TRANSPOSE:
        return weight.t()
    if change is Change.ADD_ONE:
        return weight.float() + 1  # before any rounding to the model's format
    if change is Change.HALVES_FROM_PAIRS:
        return halves_from_pairs(weight, head_dim)
    return weight


def halves_from_pairs(weight: Tensor, head_dim: int) -> Tensor:
    """Undo GGUF's order of Q and K rows (heads * D, ...): of weights, biases or quantised bytes.

    GGUF keeps each rotated pair in neighbouring rows (0, 1), (2, 3); our RoPE, like the checkpoints
    the files are made from, turns row i with row i + D / 2.
    """
    pairs = weight.reshape(-1, head_dim // 2, 2, *weight.shape[1:])  # (heads, D / 2, 2, ...)
    return pairs.swapaxes(1, 2).reshape(weight.shape)  # (heads * D, ...)
