"""A checkpoint folder is loaded whole, or refused with what is wrong."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from generation.engine.errors import EngineError, UnsupportedModelError, WeightsFileError
from generation.engine.safetensors_folder import SafetensorsFolder
from generation.engine.weights import build_transformer
from tests.unit.generation.engine.families import build_reference

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    build_reference("llama, tied").save_pretrained(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    for name in ("config.json", SINGLE):
        (tmp_path / name).write_bytes((original / name).read_bytes())
    return tmp_path


def load(folder: Path, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    with SafetensorsFolder(folder) as opened:
        return dict(build_transformer(opened, dtype=dtype).state_dict())


def refusal(folder: Path, kind: type[EngineError] = WeightsFileError) -> str:
    with pytest.raises(kind) as caught:
        load(folder)
    return str(caught.value)


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / SINGLE)
    change(weights)
    save_file(weights, folder / SINGLE)


def shard(folder: Path) -> None:
    """As a large checkpoint is saved: two files and an index."""
    weights = load_file(folder / SINGLE)
    names = sorted(weights)
    weight_map: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: weights[name] for name in part}, folder / file)
        weight_map |= dict.fromkeys(part, file)
    (folder / SINGLE).unlink()
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def test_shards_equal_one_file(folder: Path) -> None:
    expected = load(folder)
    shard(folder)
    actual = load(folder)
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


def test_a_loaded_model_outlives_its_files(folder: Path) -> None:
    expected = load(folder)
    weights = load(folder)
    (folder / SINGLE).write_bytes(b"")  # in place, as a careless copy does
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float64])
def test_every_number_format_is_converted(folder: Path, stored: torch.dtype) -> None:
    exact = load(folder)

    def convert(weights: dict[str, torch.Tensor]) -> None:
        weights.update({name: weight.to(stored) for name, weight in weights.items()})

    rewrite(folder, convert)
    for dtype in (torch.float32, torch.bfloat16):
        for name, weight in load(folder, dtype).items():
            assert weight.dtype == dtype
            assert torch.equal(weight, exact[name].to(stored).to(dtype))


def test_a_tied_head_is_the_embedding(folder: Path) -> None:
    def add_head(weights: dict[str, torch.Tensor]) -> None:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()

    rewrite(folder, add_head)  # some checkpoints hold it twice
    with SafetensorsFolder(folder) as opened:
        model = build_transformer(opened)
    assert model.head.weight is model.embedding.weight


@pytest.mark.parametrize(
    ("body", "eyes"),
    [
        ("language_model.model.", "vision_tower."),
        ("model.language_model.", "model.vision_tower."),
    ],
)
def test_the_text_model_inside_one_that_also_sees_is_found(
    tmp_path: Path, body: str, eyes: str
) -> None:
    build_reference("gemma3").save_pretrained(tmp_path)
    expected = load(tmp_path)

    def surround(weights: dict[str, torch.Tensor]) -> None:
        for name in list(weights):
            weights[body + name.removeprefix("model.")] = weights.pop(name)
        weights[eyes + "embeddings.weight"] = torch.zeros(3)

    rewrite(tmp_path, surround)
    text = json.loads((tmp_path / "config.json").read_text())
    whole = {"model_type": "gemma3", "text_config": text, "vision_config": {}}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    actual = load(tmp_path)
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


def test_the_first_gpt2_checkpoints_are_read(tmp_path: Path) -> None:
    build_reference("gpt2").save_pretrained(tmp_path)
    expected = load(tmp_path)

    def as_first_published(weights: dict[str, torch.Tensor]) -> None:
        for name in list(weights):
            weights[name.removeprefix("transformer.")] = weights.pop(name)
        weights["h.0.attn.bias"] = torch.ones(1, 1, 64, 64)  # the causal mask

    rewrite(tmp_path, as_first_published)
    actual = load(tmp_path)
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


def test_a_tensor_left_over_is_refused_by_name(folder: Path) -> None:
    rewrite(folder, lambda weights: weights.update(extra=torch.zeros(3)))
    assert "such as 'extra'" in refusal(folder, UnsupportedModelError)


def test_a_missing_or_misshapen_tensor_is_refused_by_name(folder: Path) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    rewrite(folder, lambda weights: weights.update({name: torch.zeros(2, 3)}))
    assert f"{name!r} has shape (2, 3)" in refusal(folder)
    rewrite(folder, lambda weights: weights.pop(name))
    assert f"no tensor {name!r}" in refusal(folder)


def test_another_number_format_is_named(folder: Path) -> None:
    name = "model.norm.weight"
    rewrite(folder, lambda weights: weights.update({name: weights[name].to(torch.int8)}))
    assert "'model.norm.weight' has type I8" in refusal(folder, UnsupportedModelError)


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SafetensorsFolder(folder / "none")
    (folder / SINGLE).unlink()
    assert f"has no {SINGLE}" in refusal(folder)
    (folder / "config.json").unlink()
    assert "config.json" in refusal(folder)


@pytest.mark.parametrize(
    "name", ["../x.safetensors", "/etc/x.safetensors", "a/x.safetensors", "weights.bin", ""]
)
def test_a_shard_outside_the_folder_is_refused(folder: Path, name: str) -> None:
    (folder / INDEX).write_text(json.dumps({"weight_map": {"w": name}}))
    assert f"names {name!r}, which is no file of this folder" in refusal(folder)


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ("{}", "names no file"),
        ('{"weight_map": []}', "expected object"),
        ('{"weight_map": {"w": 3}}', "expected str"),
        ("[" * 100_000, "no JSON"),
        ("\x00", "no JSON"),
        ("[]", "expected an object"),
    ],
)
def test_a_broken_index_is_refused(folder: Path, index: str, reason: str) -> None:
    (folder / INDEX).write_text(index)
    assert reason in refusal(folder)


def test_one_tensor_in_two_shards_is_refused(folder: Path) -> None:
    shard(folder)
    first, second = sorted(folder.glob("model-*"))
    save_file({**load_file(second), "model.norm.weight": torch.ones(64)}, second)
    save_file({**load_file(first), "model.norm.weight": torch.ones(64)}, first)
    assert "'model.norm.weight' is in" in refusal(folder)


def header(entries: dict[str, Any], *, length: int | None = None, data: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        header({}, length=2**63),
        header({}, length=10**9),
        header({"w": entry("F32", [4], 0, 16)}),
        header({"w": entry("F32", [4], 16, 0)}, data=bytes(16)),
        header({"w": entry("F32", [2**62], 0, 2**64 - 1)}, data=bytes(16)),
        header({"w": entry("F32", [2**40, 2**40], 0, 16)}, data=bytes(16)),
        header({"w": entry("F32", [-4], 0, 16)}, data=bytes(16)),
        header({"w": entry("F3", [4], 0, 16)}, data=bytes(16)),
        header({"w": entry("F32", [3], 0, 16)}, data=bytes(16)),
        header(
            {"v": entry("F32", [4], 0, 16), "w": entry("F32", [4], 8, 24)}, data=bytes(24)
        ),
        header({"w": entry("F32", [4], 64, 80)}, data=bytes(80)),
        b"GGUF" + bytes(100),
    ],
)  # fmt: skip
def test_a_hostile_header_is_refused(folder: Path, content: bytes) -> None:
    (folder / SINGLE).write_bytes(content)
    assert SINGLE in refusal(folder)


def load_or_refuse(folder: Path) -> None:
    try:
        load(folder)
    except EngineError as error:
        assert str(error)  # noqa: PT017  most changes are harmless: nothing needs to be raised


fuzzed = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzzed
@given(position=st.integers(0, 6000), value=st.integers(0, 255), length=st.integers(0, 2**31))
def test_a_changed_weights_file_is_read_or_refused_but_never_crashes(
    original: Path, folder: Path, position: int, value: int, length: int
) -> None:
    content = bytearray((original / SINGLE).read_bytes())
    content[position % len(content)] = value
    (folder / SINGLE).write_bytes(content[: max(length % (2 * len(content)), 1)])
    load_or_refuse(folder)


@fuzzed
@given(position=st.integers(0, 2000), value=st.integers(0, 255))
def test_a_changed_config_is_read_or_refused_but_never_crashes(
    original: Path, folder: Path, position: int, value: int
) -> None:
    content = bytearray((original / "config.json").read_bytes())
    content[position % len(content)] = value
    (folder / "config.json").write_bytes(content)
    load_or_refuse(folder)
