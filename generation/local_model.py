"""Load a model and its tokenizer from a GGUF file or a folder. Reads the disk, not the network."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from generation.engine.adapters import Adapter, load_adapter
from generation.engine.config import ModelConfig
from generation.engine.errors import WeightsFileError
from generation.engine.gguf_file import GgufFile
from generation.engine.model import Transformer
from generation.engine.packed_weights import Precision, build_model, cache_name
from generation.engine.row_adapters import RowAdapter, prepare_adapter
from generation.engine.safetensors_folder import SafetensorsFolder
from generation.engine.weights import WeightSource
from generation.tokenizer import Tokenizer
from generation.tokenizer_folder import load_folder_tokenizer
from generation.tokenizer_gguf import load_gguf_tokenizer


@dataclass(frozen=True, slots=True)
class LoadedModel:
    model: Transformer
    tokenizer: Tokenizer
    config: ModelConfig
    # of the file, or of a folder's weight files in order: which weights gave an answer; with an
    # adapter, of both hashes
    sha256: str
    # of the file or files alone
    base_sha256: str
    # what was merged into the weights
    merged: Adapter | None = None

    def prepare(self, adapter: Adapter, sha256: str) -> RowAdapter:
        """Make an adapter, of a file with this hash, fit for rows of this model.

        Raises WeightsFileError for one of other weights.
        """
        _require_base(adapter, "it", base="the model that runs", sha256=self.base_sha256)
        return prepare_adapter(adapter, self.model, sha256=sha256, merged=self.merged)


def open_weights(path: Path) -> WeightSource:
    """A folder is a checkpoint, anything else a GGUF file; close it, or use it with `with`."""
    return SafetensorsFolder(path) if path.is_dir() else GgufFile(path)


def load_tokenizer(source: WeightSource) -> Tokenizer:
    if isinstance(source, GgufFile):
        return load_gguf_tokenizer(source)
    return load_folder_tokenizer(source.path)


def load_model(
    path: Path,
    *,
    precision: Precision = "auto",
    cache_dir: Path | None = None,
    device: str = "cpu",
    adapter: Path | None = None,
) -> LoadedModel:
    """Load weights in the format that `build_model` makes of `precision`, or `build_on_card`.

    cache_dir: where packed weights are kept for the next start, by the hash of their file.
    adapter: the file of an adapter that is merged into the weights.
    Raises FileNotFoundError, WeightsFileError (GgufError for a GGUF file) for a damaged file, or an
    adapter of other weights, UnsupportedModelError for a sound one that this engine does not run.
    """
    change = None if adapter is None else load_adapter(adapter)

    def build(source: WeightSource, sha256: Callable[[], str]) -> Transformer:
        if change is not None:
            _require_base(change, str(adapter), base=path.name, sha256=sha256())
        if device != "cpu":
            # none of it is wanted where there is no card
            from generation.engine.cuda.loading import build_on_card  # noqa: PLC0415

            place = torch.device(device)
            return build_on_card(source, precision=precision, device=place, adapter=change)
        merged = sha256() if adapter is None else _hash_both(sha256(), adapter)
        cache = cache_dir and cache_dir / cache_name(merged, precision)
        return build_model(source, precision=precision, cache=cache, adapter=change)

    loaded = _load(path, build)
    if adapter is None:
        return loaded
    return replace(loaded, sha256=_hash_both(loaded.sha256, adapter), merged=change)


def load_around(path: Path, model: Transformer) -> LoadedModel:
    """What else there is to know of a file whose weights are loaded already. Raises as above."""
    return _load(path, lambda _source, _sha256: model)


def _load(
    path: Path, build: Callable[[WeightSource, Callable[[], str]], Transformer]
) -> LoadedModel:
    with ThreadPoolExecutor(1) as background, open_weights(path) as source:
        digest = background.submit(hash_files, _files_of(source))
        tokenizer = load_tokenizer(source)
        model = build(source, digest.result)
        sha256 = digest.result()
        return LoadedModel(model, tokenizer, model.config, sha256, base_sha256=sha256)


def hash_weights(path: Path) -> str:
    """SHA-256 of a model's weights, as adapters name their base. Raises as `load_model` does."""
    with open_weights(path) as source:
        return hash_files(_files_of(source))


def _files_of(source: WeightSource) -> Sequence[Path]:
    return [source.path] if isinstance(source, GgufFile) else source.files


def _require_base(adapter: Adapter, named: str, *, base: str, sha256: str) -> None:
    if adapter.base_sha256 != sha256:
        raise WeightsFileError(
            f"{named} was trained on other weights than {base} (SHA-256 "
            f"{adapter.base_sha256[:12]}, not {sha256[:12]}); take the adapter of this model"
        )


def _hash_both(sha256: str, adapter: Path) -> str:
    return hashlib.sha256(f"{sha256}+{hash_files([adapter])}".encode()).hexdigest()


def hash_files(paths: Iterable[Path]) -> str:
    """SHA-256 of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    buffer = bytearray(1 << 20)
    for path in paths:
        with path.open("rb") as stream:
            while size := stream.readinto(buffer):
                digest.update(memoryview(buffer)[:size])
    return digest.hexdigest()
